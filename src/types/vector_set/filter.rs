//! Expressions over the attributes of an element, as VSIM's FILTER has them: `.year >= 1980 and .genre in ["a", "b"]`.
//!
//! A text is cut into tokens (`tokens`) and brought into the order of a calculator that works on a stack (here); that
//! program runs for one element after the other over the fields of its JSON (`fields`). An element whose attributes
//! lack a field that is asked for, or have an object there, does not match, whatever the rest of the expression says.
//!
//! Everything is a number, a string, a list or null. Strings that are compared with anything but strings, or by size,
//! are numbers: those that look like one, or else 0; lists and null are 0 then.

mod fields;
mod tokens;
mod value;

use fields::field;
use tokens::{Token, Tokens};
use value::{Operator, Value};

/// A step of the program.
#[derive(Debug, Clone)]
enum Step {
    Push(Value),
    Field(Vec<u8>),
    Apply(Operator),
}

/// A filter, ready to run.
#[derive(Debug, Clone)]
pub struct Filter {
    steps: Vec<Step>,
}

/// What waits on the stack of operators while a text is put in order.
enum Waiting {
    Operator(Operator),
    Parenthesis,
}

impl Filter {
    /// Reads an expression. The error is where in it something is wrong; the beginning if that cannot be said.
    pub fn new(expression: &[u8]) -> Result<Self, usize> {
        let (mut text, mut tokens) = (Tokens::new(expression), Vec::new());
        // The whole text first: what is no token is told before what is in the wrong place.
        while let Some(token) = text.next()? {
            tokens.push(token);
        }
        let (mut steps, mut waiting) = (Vec::new(), Vec::new());
        for token in tokens {
            match token {
                Token::Value(value) => steps.push(Step::Push(value)),
                Token::Field(name) => steps.push(Step::Field(name)),
                Token::Open => waiting.push(Waiting::Parenthesis),
                Token::Close => loop {
                    match waiting.pop() {
                        Some(Waiting::Operator(operator)) => steps.push(Step::Apply(operator)),
                        Some(Waiting::Parenthesis) => break,
                        None => return Err(0),
                    }
                },
                Token::Operator(operator) => {
                    while let Some(Waiting::Operator(before)) = waiting.last() {
                        let tighter = before.precedence() > operator.precedence();
                        let as_tight = before.precedence() == operator.precedence() && !operator.binds_right();
                        if !(tighter || as_tight) {
                            break;
                        }
                        steps.push(Step::Apply(*before));
                        waiting.pop();
                    }
                    waiting.push(Waiting::Operator(operator));
                }
            }
        }
        while let Some(left) = waiting.pop() {
            match left {
                Waiting::Operator(operator) => steps.push(Step::Apply(operator)),
                Waiting::Parenthesis => return Err(0),
            }
        }
        if leaves_one_value(&steps) { Ok(Self { steps }) } else { Err(0) }
    }

    /// Whether an element with these attributes matches.
    pub fn matches(&self, attributes: &[u8]) -> bool {
        let mut stack: Vec<Value> = Vec::with_capacity(8);
        for step in &self.steps {
            let value = match step {
                Step::Push(value) => value.clone(),
                Step::Field(name) => match field(attributes, name) {
                    Some(value) => value,
                    None => return false,
                },
                Step::Apply(operator) => {
                    let Some(right) = stack.pop() else { return false };
                    let left = if operator.operands() == 2 { stack.pop() } else { Some(Value::Null) };
                    let Some(left) = left else { return false };
                    apply(*operator, &left, &right)
                }
            };
            stack.push(value);
        }
        stack.pop().is_some_and(|value| is_true(&value))
    }
}

/// Whether every operator finds its operands, and one value is left in the end.
fn leaves_one_value(steps: &[Step]) -> bool {
    let mut height = 0_usize;
    for step in steps {
        let needed = match step {
            Step::Push(_) | Step::Field(_) => 0,
            Step::Apply(operator) => operator.operands(),
        };
        if height < needed {
            return false;
        }
        height = height - needed + 1;
    }
    height == 1
}

fn apply(operator: Operator, left: &Value, right: &Value) -> Value {
    let numbers = || (number(left), number(right));
    let truth = |holds: bool| Value::Number(f64::from(u8::from(holds)));
    let calculated = |calculate: fn(f64, f64) -> f64| Value::Number(calculate(number(left), number(right)));
    let compared = |compare: fn(&f64, &f64) -> bool| {
        let (left, right) = numbers();
        truth(compare(&left, &right))
    };
    match operator {
        Operator::Or => truth(is_true(left) || is_true(right)),
        Operator::And => truth(is_true(left) && is_true(right)),
        Operator::Not => truth(!is_true(right)),
        Operator::Greater => compared(f64::gt),
        Operator::GreaterOrEqual => compared(f64::ge),
        Operator::Less => compared(f64::lt),
        Operator::LessOrEqual => compared(f64::le),
        Operator::Equal => truth(equal(left, right)),
        Operator::NotEqual => truth(!equal(left, right)),
        Operator::In => truth(contains(right, left)),
        Operator::Add => calculated(|left, right| left + right),
        Operator::Subtract => calculated(|left, right| left - right),
        Operator::Multiply => calculated(|left, right| left * right),
        Operator::Divide => calculated(|left, right| left / right),
        Operator::Remainder => calculated(|left, right| left % right),
        Operator::Power => calculated(f64::powf),
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Null, _) | (_, Value::Null) => left == right,
        _ => number(left) == number(right),
    }
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::List(items), _) => items.iter().any(|item| equal(part, item)),
        (Value::String(whole), Value::String(part)) => memchr::memmem::find(whole, part).is_some(),
        _ => false,
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Number(number) => *number != 0.0,
        Value::String(text) => !text.is_empty(),
        Value::List(_) => true,
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number) => *number,
        Value::String(text) => tokens::number_of(text).unwrap_or(0.0),
        Value::Null | Value::List(_) => 0.0,
    }
}

#[cfg(test)]
mod tests;
