//! Vectors with fewer components: each component of the result is a sum of all of the original with some signs turned.
//!
//! The signs are those of a Walsh-Hadamard matrix, so that every server that reduces from and to the same dimensions
//! gets the same vectors. Such a matrix is not kept: its signs are found from row and column. One that came with a
//! file and is another is kept.

/// The most cells of a matrix. Redis has no limit; a command of a few bytes must not make a server calculate or write
/// to files without end.
pub const CELLS_MAX: usize = 1 << 26;

/// How vectors of a set are reduced.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    from: usize,
    to: usize,
    /// The cells, by the components of the result, if they are not those of [`sign`].
    other: Option<Box<[f32]>>,
}

impl Projection {
    /// A projection of vectors of `from` components to such of `to`. None if it would have too many cells.
    pub fn new(from: usize, to: usize) -> Option<Self> {
        let cells = from.checked_mul(to)?;
        (cells > 0 && cells <= CELLS_MAX).then_some(Self { from, to, other: None })
    }

    /// One with the cells of a file, floats in little-endian order. None if they are not as many as they should.
    pub fn read_raw(from: usize, to: usize, raw: &[u8]) -> Option<Self> {
        let (cells, rest) = raw.as_chunks();
        if from == 0 || to == 0 || from.checked_mul(to)? != cells.len() || !rest.is_empty() {
            return None;
        }
        let plain = Self { from, to, other: None };
        let cells = cells.iter().map(|cell| f32::from_le_bytes(*cell));
        if cells.clone().eq(plain.cells()) {
            return Some(plain);
        }
        Some(Self { from, to, other: Some(cells.collect()) })
    }

    /// The cells as files have them.
    pub fn raw(&self) -> Vec<u8> {
        match &self.other {
            Some(cells) => cells.iter().flat_map(|cell| cell.to_le_bytes()).collect(),
            None => self.cells().flat_map(|cell| cell.to_le_bytes()).collect(),
        }
    }

    /// The components of what it reduces.
    pub fn source_dimension(&self) -> usize {
        self.from
    }

    /// Reduces a vector that has as many components.
    pub fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let scale = self.scale();
        let component = |row: usize| {
            let mut sum = 0.0_f32;
            for (column, value) in vector.iter().enumerate() {
                sum += match &self.other {
                    Some(cells) => cells[row * self.from + column],
                    None => sign(row, column) * scale,
                } * value;
            }
            sum
        };
        (0..self.to).map(component).collect()
    }

    fn cells(&self) -> impl Iterator<Item = f32> {
        let (from, scale) = (self.from, self.scale());
        (0..self.to).flat_map(move |row| (0..from).map(move |column| sign(row, column) * scale))
    }

    fn scale(&self) -> f32 {
        (1.0 / (self.from as f64).sqrt()) as f32
    }

    /// Memory it takes.
    pub fn heap_bytes(&self) -> usize {
        self.other.as_ref().map_or(0, |cells| size_of_val(&**cells))
    }
}

fn sign(row: usize, column: usize) -> f32 {
    if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_matrix_is_known_again_and_not_kept() {
        let plain = Projection::new(5, 3).expect("a small projection");
        let raw = plain.raw();
        assert_eq!(raw.len(), 5 * 3 * 4);
        assert_eq!(Projection::read_raw(5, 3, &raw), Some(plain.clone()));

        let mut turned = raw.clone();
        turned[3] ^= 0x80;
        let other = Projection::read_raw(5, 3, &turned).expect("a matrix of the size");
        assert_eq!((other.heap_bytes(), other.raw()), (60, turned));
        assert_ne!(other.apply(&[1.0; 5])[0], plain.apply(&[1.0; 5])[0]);
        assert_eq!(Projection::read_raw(5, 4, &raw), None);
        assert_eq!(Projection::read_raw(usize::MAX, usize::MAX, &raw), None);
    }

    #[test]
    fn a_projection_turns_signs_by_row_and_column() {
        let projection = Projection::new(4, 3).expect("a small projection");
        let columns: Vec<Vec<f32>> = (0..4)
            .map(|at| projection.apply(&std::array::from_fn::<f32, 4, _>(|place| f32::from(u8::from(place == at)))))
            .collect();
        let half = 0.5;
        assert_eq!(columns, [[half; 3], [half, -half, half], [half, half, -half], [half, -half, -half]]);
    }

    #[test]
    fn a_matrix_beyond_all_measure_is_refused() {
        assert_eq!(Projection::new(1 << 20, 1 << 20), None);
        assert_eq!(Projection::new(3, usize::MAX), None);
        assert_eq!(Projection::new(3, 0), None);
    }
}
