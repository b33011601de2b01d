//! What WAIT and WAITAOF wait for: that a write is on the disk here, or at replicas.

use crate::resp::reply::Reply;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durability {
    /// Here: 1 or 0.
    pub local: u32,
    /// At so many replicas.
    pub replicas: u32,
    /// How far the client had written: see [`crate::persist::aof::Aof::fed`].
    pub written: u64,
    /// How far the history of the data set was then.
    pub offset: i64,
    /// What the answer looks like.
    pub shape: ReplyShape,
}

impl Durability {
    /// Whether that is enough.
    pub fn is_met_by(self, reached: Reached) -> bool {
        reached.local >= self.local && reached.replicas >= self.replicas
    }
}

/// What the answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyShape {
    /// Here, and at how many replicas: that of WAITAOF.
    Both,
    /// At how many replicas: that of WAIT.
    Replicas,
}

/// Where it is safe by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub local: u32,
    pub replicas: u32,
    pub shape: ReplyShape,
}

impl Reached {
    /// Answers with it.
    pub fn write(self, reply: &mut Reply) {
        if self.shape == ReplyShape::Both {
            reply.array(2);
            reply.integer(self.local.into());
        }
        reply.integer(self.replicas.into());
    }
}
