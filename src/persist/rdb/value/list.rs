//! Lists in files: element by element, or node by node.

use std::ops::ControlFlow;

use super::super::format::{NODE_PACKED, NODE_PLAIN, kind};
use super::super::read::{Cursor, Fault, Reading};
use super::super::version::Since;
use super::super::write::Writer;
use super::{Begun, Build, Context, Form, Value, listpack, save_element, ziplist};
use crate::db::EntryView;
use crate::types::list::End;
use crate::types::listpack::IntText;
use crate::types::{Collection, List};

/// How lists are saved.
pub const FORMS: &[Form] = &[
    Form { kind: kind::LIST_QUICKLIST_2, since: Since::both(10), holds: |_| true, save: save_nodes },
    Form { kind: kind::LIST, since: Since::both(1), holds: |_| true, save: save_texts },
];

fn save_nodes(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(list) = entry.collection::<List>() else { return };
    out.length(list.nodes() as u64);
    list.visit_nodes(|bytes, plain| {
        out.length(if plain { NODE_PLAIN } else { NODE_PACKED });
        out.string(bytes);
    });
}

fn save_texts(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(list) = entry.collection::<List>() else { return };
    out.length(list.len() as u64);
    list.visit(0, End::Tail, |element| {
        save_element(element, out);
        ControlFlow::Continue(())
    });
}

/// A count, and as many strings.
pub fn texts(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    Begun::parts(Texts { left: cursor.count()?, list: List::quicklist_of(&cx.rules.list) })
}

/// A count, and as many ziplists.
pub fn ziplists(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Nodes { left: cursor.count()?, list: List::default(), ziplists: true })
}

/// A count, and as many nodes that say what they are.
pub fn nodes(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Nodes { left: cursor.count()?, list: List::default(), ziplists: false })
}

/// One ziplist.
pub fn one_ziplist(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    Begun::whole(ziplist::list(&cursor.vec()?, cx)?)
}

/// A list of strings.
struct Texts {
    left: usize,
    list: List,
}

impl Build for Texts {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let text = cursor.text()?;
        self.list.push(End::Tail, text.bytes(&mut IntText::new()), &cx.rules.list);
        self.left -= 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>, cx: &mut Context) -> Reading<Option<Value>> {
        self.list.settle(&cx.rules.list);
        Ok(Value::List(self.list).unless_empty())
    }
}

/// A list of nodes.
struct Nodes {
    left: usize,
    list: List,
    /// They are ziplists, all of them.
    ziplists: bool,
}

impl Build for Nodes {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let form = if self.ziplists { NODE_PACKED } else { cursor.length()? };
        let bytes = cursor.vec()?;
        match form {
            NODE_PLAIN if bytes.is_empty() => return Err(Fault::Bad("Empty plain quicklist node")),
            NODE_PLAIN => self.list.push_big(bytes, &cx.rules.list),
            NODE_PACKED if self.ziplists => self.list.push_pack(ziplist::repack(&bytes)?, &cx.rules.list),
            NODE_PACKED => self.list.push_pack(listpack(bytes, "Listpack integrity check failed.")?, &cx.rules.list),
            _ => return Err(Fault::Bad("Quicklist integrity check failed.")),
        }
        self.left -= 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>, cx: &mut Context) -> Reading<Option<Value>> {
        self.list.settle(&cx.rules.list);
        Ok(Value::List(self.list).unless_empty())
    }
}
