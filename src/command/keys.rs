//! Which arguments of a call are keys: the rules of the row, applied.
