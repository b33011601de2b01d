//! What small sets of conditions, one bit each, have in common.

/// Gives a tuple struct around an unsigned integer the operations of a set whose members are its constants.
macro_rules! bit_set {
    ($name:ident) => {
        impl $name {
            /// Whether any member is in the set.
            #[inline]
            #[allow(dead_code, reason = "some sets are only asked for members")]
            pub fn any(self) -> bool {
                self.0 != 0
            }

            /// Whether any member of `other` is in the set.
            #[inline]
            pub fn has(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }

            /// Takes the members of `other` in, or out.
            #[inline]
            pub fn set(&mut self, other: $name, on: bool) {
                self.0 = if on { self.0 | other.0 } else { self.0 & !other.0 };
            }
        }
    };
}

pub(crate) use bit_set;
