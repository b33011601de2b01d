//! AROP: one value from the elements of a range.
//!
//! Numbers are those of C's `long double`, as in INCRBYFLOAT; whole ones are not rounded below 2^64.

use std::cmp::Ordering;

use super::*;
use crate::util::long_double::LongDouble;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Sum,
    Min,
    Max,
    And,
    Or,
    Xor,
    Match,
    Used,
}

const OPERATIONS: [(&str, Operation, usize); 8] = [
    ("sum", Operation::Sum, 0),
    ("min", Operation::Min, 0),
    ("max", Operation::Max, 0),
    ("and", Operation::And, 0),
    ("or", Operation::Or, 0),
    ("xor", Operation::Xor, 0),
    ("match", Operation::Match, 0),
    ("used", Operation::Used, 0),
];

/// The sum of numbers some of which may be infinite.
#[derive(Clone, Copy, Default)]
struct Sum {
    finite: Option<LongDouble>,
    above: bool,
    below: bool,
}

impl Sum {
    fn add(&mut self, number: LongDouble) {
        let sum = match self.finite {
            _ if number.is_infinite() => None,
            None => Some(number),
            Some(sum) => sum.checked_add(number),
        };
        match sum {
            Some(_) => self.finite = sum,
            None if number.is_negative() => self.below = true,
            None => self.above = true,
        }
    }

    fn text(self) -> Option<Vec<u8>> {
        match (self.above, self.below) {
            (true, true) => Some(b"nan".to_vec()),
            (true, false) => Some(b"inf".to_vec()),
            (false, true) => Some(b"-inf".to_vec()),
            (false, false) => self.finite.map(LongDouble::to_text_17_digits),
        }
    }
}

fn number_of(value: &Value<'_>) -> Option<LongDouble> {
    match value {
        Value::Int(value) => Some(LongDouble::from(*value)),
        _ => LongDouble::parse(value.text(&mut itoa::Buffer::new())),
    }
}

/// What fits 64 bits, the part behind the point dropped.
fn integer_of(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(value) => Some(*value),
        _ => {
            let mut room = itoa::Buffer::new();
            let text = value.text(&mut room);
            parse_i64(text).or_else(|| LongDouble::parse(text)?.truncated())
        }
    }
}

pub(super) fn arop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const UNKNOWN: Error = Error::fixed("ERR unknown operation");
    const NO_VALUE: Error = Error::fixed("ERR MATCH requires a value argument");
    let range = range(args, 2)?;
    let (operation, _) = args.option(4, &OPERATIONS).ok_or(UNKNOWN)?;
    match operation {
        Operation::Match if args.len() != 6 => return Err(NO_VALUE),
        Operation::Match => {}
        _ if args.len() != 5 => return Err(wrong_arity("arop")),
        _ => {}
    }
    let array = cx.db.collection::<Array>(&args.key(1))?;
    match operation {
        Operation::Match | Operation::Used => {
            let wanted = args.try_get(5);
            let mut count = 0;
            each(array, range, |value| {
                count += i64::from(wanted.is_none_or(|wanted| value.text(&mut itoa::Buffer::new()) == wanted));
            });
            cx.reply.integer(count);
        }
        Operation::And | Operation::Or | Operation::Xor => {
            let mut result = None;
            each(array, range, |value| {
                let Some(operand) = integer_of(&value) else { return };
                result = Some(match (result, operation) {
                    (None, _) => operand,
                    (Some(bits), Operation::And) => bits & operand,
                    (Some(bits), Operation::Or) => bits | operand,
                    (Some(bits), _) => bits ^ operand,
                });
            });
            match result {
                Some(result) => cx.reply.integer(result),
                None => cx.reply.null(),
            }
        }
        Operation::Sum => {
            let mut sum = Sum::default();
            each(array, range, |value| number_of(&value).into_iter().for_each(|number| sum.add(number)));
            write_number(cx.reply, sum.text());
        }
        Operation::Min | Operation::Max => {
            let better = if operation == Operation::Min { Ordering::Less } else { Ordering::Greater };
            let mut best: Option<LongDouble> = None;
            each(array, range, |value| {
                let number = number_of(&value).filter(|number| best.is_none_or(|best| number.cmp(&best) == better));
                best = number.or(best);
            });
            write_number(cx.reply, best.map(LongDouble::to_text_17_digits));
        }
    }
    Ok(())
}

fn write_number(reply: &mut Reply, text: Option<Vec<u8>>) {
    match text {
        Some(text) => reply.bulk(&text),
        None => reply.null(),
    }
}

fn each(array: Option<&Array>, (from, to): (u64, u64), mut see: impl FnMut(Value<'_>)) {
    let Some(array) = array else { return };
    array.visit(from, to, |_, value| {
        see(value);
        ControlFlow::Continue(())
    });
}
