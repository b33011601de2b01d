//! What filter expressions are about: values, and operators between them.

/// A value while an expression runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// A number.
    Number(f64),
    /// A string.
    String(Vec<u8>),
    /// A list.
    List(Vec<Value>),
}

/// The operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    Or,
    And,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Not,
}

impl Operator {
    /// What binds more tightly has more.
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 0,
            Self::And => 1,
            Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual => 2,
            Self::Equal | Self::NotEqual | Self::In => 2,
            Self::Add | Self::Subtract => 3,
            Self::Multiply | Self::Divide | Self::Remainder => 4,
            Self::Power => 5,
            Self::Not => 6,
        }
    }

    /// Whether `a OP b OP c` is `a OP (b OP c)`. Redis does not count negation among these, so that in `!!a` the first
    /// one is worked out before it has what it negates.
    pub fn binds_right(self) -> bool {
        self == Self::Power
    }

    /// How many values it takes.
    pub fn operands(self) -> usize {
        if self == Self::Not { 1 } else { 2 }
    }
}
