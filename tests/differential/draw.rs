//! What is drawn by chance: numbers, keys, and the words that commands are made of.
//!
//! Everything follows from the seed. Keys are few, so that commands meet the work of others, and mostly of the type
//! that is asked for, so that they do something; words are mostly usable, and often at an edge.
//!
//! Times are either far from now or over: a key that expired during a run would do so on one server first. Relative
//! times never repeat, and absolute ones lie behind [`ABSOLUTE_SECONDS`], so which of two is later is never close.

use crate::common::random::Random;

/// A word of a command.
pub type Word = Vec<u8>;

/// The first second (of the year 2100) that absolute times are drawn from; relative ones stay far below.
pub const ABSOLUTE_SECONDS: i64 = 4_102_444_800;

/// Keys of a type.
const KEYS_OF_A_TYPE: usize = 5;

/// The connections that commands are spread over.
pub const ACTORS: usize = 2;

/// The source of everything random in a run.
#[derive(Debug)]
pub struct Draw {
    random: Random,
    /// Counts up with each use, for what must not repeat.
    unique: u64,
    /// Which connection the command is for.
    pub actor: usize,
    /// Whether each connection has a transaction open.
    pub in_transaction: [bool; ACTORS],
    /// How many keys the last count of keys announced.
    pub announced: usize,
}

impl Draw {
    /// A source that a seed determines.
    pub fn from_seed(seed: u64) -> Draw {
        Draw { random: Random(seed), unique: 0, actor: 0, in_transaction: [false; ACTORS], announced: 0 }
    }

    /// True if the command to be made will be queued.
    pub fn queues(&self) -> bool {
        self.in_transaction[self.actor]
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.random.next()
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A number of a range, both ends included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number that was not drawn before.
    pub fn fresh(&mut self) -> i64 {
        self.unique += 1;
        self.unique as i64
    }

    /// How many of something to give: mostly few, sometimes enough to leave a compact encoding.
    pub fn several(&mut self) -> usize {
        match self.below(100) {
            0..70 => 1 + self.below(3),
            70..96 => 4 + self.below(16),
            _ => 50 + self.below(150),
        }
    }

    /// A key that mostly holds the type its initial stands for.
    pub fn key(&mut self, initial: u8) -> Word {
        // Not those of HyperLogLogs: how broken one may be before it is noticed is nobody's promise.
        const INITIALS: &[u8] = b"sblhzxtg";
        let initial = match self.below(100) {
            0..95 => initial,
            95..99 => self.pick(INITIALS),
            _ => return self.pick(&[&b""[..], b"missing", b"\x00\xff\r\n", b"*", b"{tag}a"]).to_vec(),
        };
        vec![initial, b'0' + self.below(KEYS_OF_A_TYPE) as u8]
    }

    /// A key of any type.
    pub fn any_key(&mut self) -> Word {
        let initial = self.pick(b"sblhzxtpg");
        self.key(initial)
    }

    /// A string value: short, numeric, at the limits of encodings, binary, sometimes long.
    pub fn value(&mut self) -> Word {
        match self.below(100) {
            0..30 => self.pick(&["a", "b", "c", "foo", "bar", "hello world", "FOO", "ab", "abc", ""]).into(),
            30..50 => self.between(-5, 30).to_string().into(),
            50..62 => self.edge(),
            62..84 => {
                let length = self.pick(&[5, 12, 20, 21, 22, 38, 43, 44, 45, 46, 60, 63, 64, 65, 66, 100, 127, 128]);
                self.letters(length)
            }
            84..94 => (0..1 + self.below(24)).map(|_| self.bits() as u8).collect(),
            94..99 => {
                let length = self.pick(&[250, 256, 300, 512, 1000, 1024, 4095, 4096]);
                self.letters(length)
            }
            _ => {
                let length = self.pick(&[4097, 8200, 9000, 16_384, 20_000]);
                self.letters(length)
            }
        }
    }

    fn letters(&mut self, length: usize) -> Word {
        let first = self.below(26);
        (0..length).map(|at| b'a' + ((first + at * 7) % 26) as u8).collect()
    }

    /// Texts at the edges of numbers and of what reads as one.
    pub fn edge(&mut self) -> Word {
        self.pick(&[
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "-9223372036854775809",
            "9223372036854775806",
            "4294967296",
            "4294967295",
            "2147483648",
            "-2147483649",
            "65536",
            "-32769",
            "127",
            "128",
            "4095",
            "4096",
            "8388608",
            "1.5",
            "-0",
            "+1",
            "01",
            " 1",
            "1 ",
            "0x10",
            "inf",
            "nan",
            "1e3",
            "3.0",
            "-1.25",
            "10000",
            "9999",
        ])
        .into()
    }

    /// Text that is no usable number.
    pub fn no_number(&mut self) -> Word {
        self.pick(&["", "abc", "1.5", " 1", "1 ", "9223372036854775808", "0x1", "+1", "-0", "01", "1e2"]).into()
    }

    /// A member or a field: mostly one of a few, so that it is met again.
    pub fn member(&mut self) -> Word {
        match self.below(100) {
            0..45 => self.pick(&["a", "b", "c", "d", "e", "f", "g", "aa", "ab", "ba", "A", "foo", "bar"]).into(),
            45..65 => self.between(-3, 20).to_string().into(),
            65..80 => self.below(700).to_string().into(),
            80..92 => format!("m{}", self.below(300)).into(),
            _ => self.value(),
        }
    }

    /// An index or an offset into something short, from either end.
    pub fn index(&mut self) -> Word {
        match self.below(100) {
            0..70 => self.between(-6, 8).to_string().into(),
            70..92 => self.between(-150, 300).to_string().into(),
            92..97 => self
                .pick(&["-9223372036854775808", "9223372036854775807", "2147483648", "-4294967297", "100000"])
                .into(),
            _ => self.no_number(),
        }
    }

    /// How many elements are wanted: mostly few, sometimes none, all or fewer than none.
    pub fn count(&mut self) -> Word {
        match self.below(100) {
            0..70 => (1 + self.below(5)).to_string().into(),
            70..85 => (10 + self.below(200)).to_string().into(),
            85..96 => self.pick(&["0", "-1", "-2", "1000000", "9223372036854775807", "-9223372036854775808"]).into(),
            _ => self.no_number(),
        }
    }

    /// An increment.
    pub fn increment(&mut self) -> Word {
        match self.below(100) {
            0..86 => self.between(-20, 100).to_string().into(),
            86..96 => self
                .pick(&["9223372036854775807", "-9223372036854775808", "9223372036854775800", "-9223372036854775807"])
                .into(),
            _ => self.no_number(),
        }
    }

    /// A number with a fraction, as it is written by people and by programs.
    pub fn float(&mut self) -> Word {
        match self.below(100) {
            0..25 => self.between(-5, 10).to_string().into(),
            25..50 => format!("{}.{}", self.between(-9, 9), self.below(1000)).into(),
            50..60 => format!("{}e{}", self.between(-9, 9), self.between(-20, 20)).into(),
            60..70 => ((self.bits() >> 11) as f64 / 1e10).to_string().into(),
            70..95 => self
                .pick(&[
                    "inf",
                    "-inf",
                    "+inf",
                    "Infinity",
                    "-0",
                    "0",
                    "1e308",
                    "-1e308",
                    "1.7976931348623157e308",
                    "5e-324",
                    "2.2250738585072014e-308",
                    "3.0",
                    "0.1",
                    "0.30000000000000004",
                    "9007199254740993",
                    "1e17",
                    "123456789012345680",
                    "1e21",
                    "1e-7",
                    "0x10",
                    ".5",
                    "5.",
                    "+3",
                ])
                .into(),
            _ => self.pick(&["nan", "", "abc", "1e400", "1 ", " 1", "1,5", "--1", "e5", "infx", "1e"]).into(),
        }
    }

    /// Seconds from now: a time that lies far off and never comes twice, or is over, or cannot be.
    pub fn seconds(&mut self) -> Word {
        match self.below(100) {
            0..84 => (10_000 + 60 * self.fresh()).to_string().into(),
            84..92 => self.pick(&["0", "-1", "-1000", "-9223372036854775808"]).into(),
            92..96 => self.pick(&["9223372036854775807", "9223372036854775", "-9223372036854776"]).into(),
            _ => self.no_time(),
        }
    }

    /// Milliseconds from now, in the same manner.
    pub fn milliseconds(&mut self) -> Word {
        match self.below(100) {
            0..84 => (10_000_000 + 60_000 * self.fresh() + self.between(0, 999)).to_string().into(),
            84..92 => self.pick(&["0", "-1", "-1000", "-9223372036854775808"]).into(),
            92..96 => self.pick(&["9223372036854775807", "9223372036854775000"]).into(),
            _ => self.no_time(),
        }
    }

    /// A second since 1970, in the far future or over, or none.
    pub fn moment_seconds(&mut self) -> Word {
        match self.below(100) {
            0..80 => (ABSOLUTE_SECONDS + self.between(0, 40)).to_string().into(),
            80..90 => self.pick(&["1", "1000000000", "0", "-1", "-9223372036854775808"]).into(),
            90..96 => self.pick(&["9223372036854775807", "9223372036854775", "9223372036854776"]).into(),
            _ => self.no_time(),
        }
    }

    /// A millisecond since 1970, in the same manner.
    pub fn moment_milliseconds(&mut self) -> Word {
        match self.below(100) {
            0..80 => (ABSOLUTE_SECONDS * 1000 + self.between(0, 40)).to_string().into(),
            80..90 => self.pick(&["1", "1000000000000", "0", "-1", "-9223372036854775808"]).into(),
            90..96 => self.pick(&["9223372036854775807", "9223372036854775806"]).into(),
            _ => self.no_time(),
        }
    }

    fn no_time(&mut self) -> Word {
        self.pick(&["", "abc", "20000.5", "9223372036854775808", " 20000", "1e9"]).into()
    }

    /// A glob.
    pub fn pattern(&mut self) -> Word {
        self.pick(&[
            "*", "s*", "?1", "[a-m]*", "*0", "a*", "m?", "\\*", "[^a]*", "nothing", "", "*\\", "[", "h[12]", "1*", "**",
        ])
        .into()
    }

    /// A database: mostly one of the first few.
    pub fn database(&mut self) -> Word {
        match self.below(100) {
            0..80 => "0".into(),
            80..95 => self.pick(&["1", "2", "3"]).into(),
            _ => self.pick(&["16", "-1", "abc", "", "9223372036854775807", "15"]).into(),
        }
    }
}
