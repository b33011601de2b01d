//! The score by which Linux chooses whom to end when memory runs out.

use std::io;

const PATH: &str = "/proc/self/oom_score_adj";
/// What the kernel takes.
const RANGE: (i32, i32) = (-1000, 1000);

/// How the score is to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// As it was before we changed it.
    Original,
    /// This much more than it was.
    Relative(i32),
    /// Exactly this.
    Absolute(i32),
}

/// The score of this process.
#[derive(Debug, Default)]
pub struct OomScore {
    /// The score from before we changed it, while it is changed.
    original: Option<i32>,
}

impl OomScore {
    /// Sets the score.
    ///
    /// # Errors
    /// Where there is no such score, or lowering it is not allowed.
    pub fn set(&mut self, wanted: Wanted) -> io::Result<()> {
        let score = match (wanted, self.original) {
            (Wanted::Original, None) => return Ok(()),
            (Wanted::Original, Some(original)) => {
                self.original = None;
                original
            }
            (Wanted::Relative(score), _) => self.original()?.saturating_add(score),
            (Wanted::Absolute(score), _) => {
                self.original()?;
                score
            }
        };
        std::fs::write(PATH, format!("{}\n", score.clamp(RANGE.0, RANGE.1)))
    }

    fn original(&mut self) -> io::Result<i32> {
        if let Some(original) = self.original {
            return Ok(original);
        }
        let text = std::fs::read_to_string(PATH)?;
        let score = text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        self.original = Some(score);
        Ok(score)
    }
}
