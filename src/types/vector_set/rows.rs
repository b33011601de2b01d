//! Rows of equal length, one for each node, that grow and shrink at the end.
//!
//! They lie in pieces of a bounded size: growing never moves more than one piece, and what was used is given back.

/// About how many bytes a piece has.
const PIECE_BYTES: usize = 1 << 16;

/// The rows.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    /// Elements in a row.
    width: usize,
    /// A piece has 2^shift rows.
    shift: u32,
    pieces: Vec<Vec<T>>,
    rows: usize,
}

impl<T> Rows<T> {
    /// No rows yet, each of which will have `width` elements, at least one.
    pub fn new(width: usize) -> Self {
        let in_piece = (PIECE_BYTES / (width * size_of::<T>()).max(1)).max(1);
        Self { width, shift: in_piece.ilog2(), pieces: Vec::new(), rows: 0 }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// A row.
    #[inline]
    pub fn row(&self, index: usize) -> &[T] {
        let start = (index & self.mask()) * self.width;
        &self.pieces[index >> self.shift][start..start + self.width]
    }

    /// A row, to be changed.
    #[inline]
    pub fn row_mut(&mut self, index: usize) -> &mut [T] {
        let start = (index & self.mask()) * self.width;
        &mut self.pieces[index >> self.shift][start..start + self.width]
    }

    #[inline]
    fn mask(&self) -> usize {
        (1 << self.shift) - 1
    }

    /// Adds a row at the end, of exactly the width of all.
    pub fn push(&mut self, row: impl IntoIterator<Item = T>) {
        if self.rows & self.mask() == 0 {
            // The first piece grows with its rows: most sets are small.
            let rows_at_once = if self.pieces.is_empty() { 0 } else { 1 << self.shift };
            self.pieces.push(Vec::with_capacity(rows_at_once * self.width));
        }
        let piece = self.pieces.last_mut().expect("a piece was added if there was none with room");
        let before = piece.len();
        if piece.capacity() - before < self.width {
            piece.reserve_exact((before / 2).max(self.width).min((self.width << self.shift) - before));
        }
        piece.extend(row);
        debug_assert_eq!(piece.len() - before, self.width);
        self.rows += 1;
    }

    /// Removes a row; the last one takes its place.
    pub fn swap_remove(&mut self, index: usize) {
        let last = self.rows - 1;
        let (last_piece, start) = (last >> self.shift, (last & self.mask()) * self.width);
        let place = (index & self.mask()) * self.width;
        if index >> self.shift == last_piece {
            let (before, after) = self.pieces[last_piece].split_at_mut(start);
            if index != last {
                before[place..place + self.width].swap_with_slice(&mut after[..self.width]);
            }
        } else {
            let (before, after) = self.pieces.split_at_mut(last_piece);
            let gap = &mut before[index >> self.shift][place..place + self.width];
            gap.swap_with_slice(&mut after[0][start..start + self.width]);
        }
        self.pieces[last_piece].truncate(start);
        if start == 0 {
            self.pieces.pop();
        }
        self.rows = last;
    }

    /// Memory the rows take, not what they point to.
    pub fn heap_bytes(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(|piece| piece.capacity() * size_of::<T>()).sum();
        pieces + self.pieces.capacity() * size_of::<Vec<T>>()
    }

    /// The number of allocations.
    pub fn allocations(&self) -> usize {
        self.pieces.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::random::Random;

    #[test]
    fn rows_hold_what_a_plain_list_of_lists_holds() {
        let mut random = Random::from_seed(5);
        for width in [1, 3, 4000, 20_000] {
            let mut rows: Rows<u32> = Rows::new(width);
            let mut twin: Vec<Vec<u32>> = Vec::new();
            for step in 0..400_u32 {
                if !twin.is_empty() && random.below(3) == 0 {
                    let index = random.below(twin.len() as u64) as usize;
                    rows.swap_remove(index);
                    twin.swap_remove(index);
                } else {
                    let row = vec![step; width];
                    rows.push(row.iter().copied());
                    twin.push(row);
                }
                assert_eq!(rows.len(), twin.len());
                assert!(twin.iter().enumerate().all(|(index, row)| rows.row(index) == row), "width {width}");
            }
            while rows.len() > 0 {
                rows.swap_remove(0);
            }
            assert_eq!(rows.allocations(), 1);
        }
    }
}
