//! A node as CLUSTER NODES tells of it, and how it is shown.

use super::slots::{SLOTS, SlotSet};

/// One line of CLUSTER NODES.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    /// Where it is; empty where the node that was asked does not know.
    pub host: String,
    pub port: u16,
    pub bus_port: u16,
    pub flags: Vec<String>,
    /// The id of the node it replicates.
    pub primary: Option<String>,
    pub config_epoch: u64,
    /// The node that was asked has a link to it.
    pub is_connected: bool,
    pub slots: SlotSet,
    /// Slots on their way to other nodes, with the ids of these; only of the node that was asked.
    pub migrating: Vec<(u16, String)>,
    /// Slots on their way from other nodes.
    pub importing: Vec<(u16, String)>,
}

impl Member {
    /// Whether it is one of these: `myself`, `slave`, `fail`, `noaddr`, `handshake` …
    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    pub fn is_primary(&self) -> bool {
        self.primary.is_none()
    }

    /// `host:port`
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The lines of a listing, each this many blanks further in; replicas are those of a primary.
    pub fn summary(&self, indent: usize, replicas: usize) -> String {
        let margin = " ".repeat(indent);
        let role = if self.is_primary() { "M" } else { "S" };
        let mut text = format!("{margin}{role}: {} {}\n", self.id, self.place());
        text += &format!("{margin}   slots:{} ({} slots) {}", self.slots, self.slots.len(), self.shown_flags());
        match &self.primary {
            Some(primary) => text += &format!("\n{margin}   replicates {primary}"),
            None if replicas > 0 => text += &format!("\n{margin}   {replicas} additional replica(s)"),
            None => {}
        }
        text
    }

    /// The flags that do not depend on who was asked.
    fn shown_flags(&self) -> String {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).filter(|flag| *flag != "myself").collect();
        flags.join(",")
    }

    /// An object of `nodes.json`, with the number of problems that the cluster had.
    pub fn json(&self, problems: usize) -> String {
        let primary = self.primary.as_ref().map_or("null".to_owned(), |id| format!("\"{id}\""));
        let slots = self.slots.to_string().replace('-', ",");
        let mut fields = vec![
            format!("\"name\": \"{}\"", self.id),
            format!("\"host\": \"{}\"", self.host),
            format!("\"port\": {}", self.port),
            format!("\"replicate\": {primary}"),
            format!("\"slots\": [{slots}]"),
            format!("\"slots_count\": {}", self.slots.len()),
            format!("\"flags\": \"{}\"", self.shown_flags()),
            format!("\"current_epoch\": {}", self.config_epoch),
        ];
        if problems > 0 {
            fields.push(format!("\"cluster_errors\": {problems}"));
        }
        for (name, open) in [("migrating", &self.migrating), ("importing", &self.importing)] {
            if !open.is_empty() {
                let pairs: Vec<String> = open.iter().map(|(slot, id)| format!("\"{slot}\": \"{id}\"")).collect();
                fields.push(format!("\"{name}\": {{{}}}", pairs.join(",")));
            }
        }
        format!("  {{\n    {}\n  }}", fields.join(",\n    "))
    }
}

/// Reads the reply to CLUSTER NODES; `None` if it is none.
pub fn read(text: &str) -> Option<Vec<Member>> {
    text.lines().filter(|line| !line.is_empty()).map(line).collect()
}

fn line(text: &str) -> Option<Member> {
    let mut words = text.split(' ');
    let id = words.next()?.to_owned();
    let (host, port, bus_port) = address(words.next()?)?;
    let flags: Vec<String> = words.next()?.split(',').map(str::to_owned).collect();
    let primary = words.next()?;
    let primary = flags.iter().any(|flag| flag == "slave").then(|| primary.to_owned());
    let config_epoch = words.nth(2)?.parse().ok()?;
    let is_connected = words.next()? == "connected";
    let mut member =
        Member { id, host, port, bus_port, flags, primary, config_epoch, is_connected, ..Member::default() };
    words.filter(|word| !word.is_empty()).try_for_each(|word| add_slots(&mut member, word))?;
    Some(member)
}

/// `host:port@bus_port`, behind which a host name and more may follow.
fn address(text: &str) -> Option<(String, u16, u16)> {
    let (address, bus_port) = text.split(',').next()?.rsplit_once('@')?;
    let (host, port) = address.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?, bus_port.parse().ok()?))
}

/// `7`, `0-5460`, `[7->-id]` or `[7-<-id]`.
fn add_slots(member: &mut Member, word: &str) -> Option<()> {
    let slot = |text: &str| text.parse().ok().filter(|slot| *slot < SLOTS);
    if let Some(open) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
        let (list, (number, id)) = match open.split_once("->-") {
            Some(parts) => (&mut member.migrating, parts),
            None => (&mut member.importing, open.split_once("-<-")?),
        };
        list.push((slot(number)?, id.to_owned()));
    } else {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        (slot(first)?..=slot(last)?).for_each(|slot| member.slots.insert(slot));
    }
    Some(())
}

/// What a node thinks about who has which slots; `None` while it knows of nobody who has any.
pub fn signature(members: &[Member]) -> Option<String> {
    let with_slots = members.iter().filter(|member| !member.slots.is_empty());
    let mut lines: Vec<String> = with_slots.map(|member| format!("{}:{}", member.id, member.slots)).collect();
    lines.sort();
    (!lines.is_empty()).then(|| lines.join("|"))
}

/// The nodes to which the one that was asked has no link.
pub fn unlinked(members: &[Member]) -> impl Iterator<Item = &Member> {
    members.iter().filter(|member| !member.is("myself") && (!member.is_connected || member.is("handshake")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
aaaa 127.0.0.1:7000@17000,host.example,shard-id=5f myself,master - 0 1 3 connected 0-2 7 [7->-bbbb] [9-<-bbbb]
bbbb ::1:7001@17001 master,fail? - 1 2 2 disconnected 8-16383
cccc :0@0 slave,noaddr bbbb 0 0 2 connected
";

    #[test]
    fn lines_tell_of_nodes_and_their_slots() {
        let members = read(NODES).expect("right lines");
        let [first, second, third] = &members[..] else { panic!("three lines") };
        assert_eq!((first.place().as_str(), first.bus_port, first.config_epoch), ("127.0.0.1:7000", 17000, 3));
        assert_eq!(first.slots.to_string(), "[0-2],[7]");
        assert_eq!(first.migrating, [(7, "bbbb".to_owned())]);
        assert_eq!(first.importing, [(9, "bbbb".to_owned())]);
        assert_eq!((second.host.as_str(), second.port, second.is_primary()), ("::1", 7001, true));
        assert!(second.is("fail?") && !second.is("fail"));
        assert_eq!((third.primary.as_deref(), third.host.as_str()), (Some("bbbb"), ""));
        assert_eq!(unlinked(&members).map(|member| member.id.as_str()).collect::<Vec<_>>(), ["bbbb"]);
    }

    #[test]
    fn what_is_no_list_of_nodes_is_refused() {
        for text in [
            "aaaa",
            "aaaa 127.0.0.1 master - 0 0 0 connected",
            "aaaa 127.0.0.1:7000@17000 master - 0 0 x connected",
            "aaaa 127.0.0.1:70000@17000 master - 0 0 1 connected",
            "aaaa 127.0.0.1:7000@17000 master - 0 0 1 connected 16384",
            "aaaa 127.0.0.1:7000@17000 master - 0 0 1 connected 5-99999",
            "aaaa 127.0.0.1:7000@17000 master - 0 0 1 connected [5]",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(""), Some(Vec::new()));
    }

    #[test]
    fn nodes_agree_when_each_slot_has_the_same_owner() {
        let mut members = read(NODES).expect("right lines");
        let before = signature(&members);
        assert_eq!(before.as_deref(), Some("aaaa:[0-2],[7]|bbbb:[8-16383]"));
        members.reverse();
        members[2].migrating.clear();
        assert_eq!(signature(&members), before);
        members[2].slots.remove(7);
        assert_ne!(signature(&members), before);
        assert_eq!(signature(&members[..1]), None);
    }

    #[test]
    fn summaries_show_role_slots_and_replication() {
        let members = read(NODES).expect("right lines");
        assert_eq!(
            members[0].summary(0, 1),
            "M: aaaa 127.0.0.1:7000\n   slots:[0-2],[7] (4 slots) master\n   1 additional replica(s)"
        );
        assert_eq!(
            members[2].summary(4, 0),
            "    S: cccc :0\n       slots: (0 slots) slave,noaddr\n       replicates bbbb"
        );
    }

    #[test]
    fn json_has_ranges_as_pairs_and_open_slots() {
        let members = read(NODES).expect("right lines");
        assert_eq!(
            members[0].json(2),
            "  {\n    \"name\": \"aaaa\",\n    \"host\": \"127.0.0.1\",\n    \"port\": 7000,\n    \"replicate\": null,\n    \
             \"slots\": [[0,2],[7]],\n    \"slots_count\": 4,\n    \"flags\": \"master\",\n    \"current_epoch\": 3,\n    \
             \"cluster_errors\": 2,\n    \"migrating\": {\"7\": \"bbbb\"},\n    \"importing\": {\"9\": \"bbbb\"}\n  }"
        );
        assert!(members[2].json(0).contains("\"replicate\": \"bbbb\",\n    \"slots\": [],\n"));
    }
}
