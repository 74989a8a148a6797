//! Least squares with a penalty from running sums: the cost of a refit does not grow with the past.

use serde::{Deserialize, Serialize};

/// Decayed sums Σxx', Σxy of rows (x, y).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    size: usize,
    xx: Vec<f64>,
    xy: Vec<f64>,
}

impl Moments {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            xx: vec![0.0; size * size],
            xy: vec![0.0; size],
        }
    }

    pub(crate) fn decay(&mut self, factor: f64) {
        for sum in self.xx.iter_mut().chain(&mut self.xy) {
            *sum *= factor;
        }
    }

    /// Adds a row; one of another length is passed over.
    pub(crate) fn add(&mut self, x: &[f64], y: f64) {
        if x.len() != self.size {
            return;
        }
        for (row, a) in self.xx.chunks_exact_mut(self.size.max(1)).zip(x) {
            for (sum, b) in row.iter_mut().zip(x) {
                *sum += a * b;
            }
        }
        for (sum, a) in self.xy.iter_mut().zip(x) {
            *sum += a * y;
        }
    }

    /// Σ x_i x_j; 0 outside.
    pub(crate) fn xx(&self, i: usize, j: usize) -> f64 {
        self.xx.get(i * self.size + j).copied().unwrap_or(0.0)
    }

    /// Σ x_i y; 0 outside.
    pub(crate) fn xy(&self, i: usize) -> f64 {
        self.xy.get(i).copied().unwrap_or(0.0)
    }

    /// The coefficients that minimise Σ(y − xb)² + Σ penalty (b − prior)².
    pub(crate) fn towards(&self, prior: &[f64], penalty: f64) -> Option<Vec<f64>> {
        let mut matrix = self.xx.clone();
        for diagonal in matrix.iter_mut().step_by(self.size + 1) {
            *diagonal += penalty;
        }
        let right = self.xy.iter().zip(prior).map(|(sum, b)| sum + penalty * b);
        solve(&matrix, &right.collect::<Vec<f64>>())
    }
}

/// The solution of a positive definite system by Cholesky's method; `None` if it is none.
/// `matrix` is row by row.
pub(crate) fn solve(matrix: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    let size = right.len();
    let mut lower = vec![0.0; size * size];
    let at = |m: &[f64], i: usize, j: usize| m.get(i * size + j).copied().unwrap_or(0.0);
    for i in 0..size {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| at(&lower, i, k) * at(&lower, j, k)).sum();
            let rest = at(matrix, i, j) - known;
            let value = if i == j {
                rest.sqrt()
            } else {
                rest / at(&lower, j, j)
            };
            if !value.is_finite() || (i == j && value <= 0.0) {
                return None;
            }
            *lower.get_mut(i * size + j)? = value;
        }
    }
    let mut forward = Vec::with_capacity(size);
    for (i, value) in right.iter().enumerate() {
        let known: f64 = forward
            .iter()
            .enumerate()
            .map(|(k, x)| at(&lower, i, k) * x)
            .sum();
        forward.push((value - known) / at(&lower, i, i));
    }
    let mut solution = vec![0.0; size];
    for i in (0..size).rev() {
        let later = solution.iter().enumerate().skip(i + 1);
        let known: f64 = later.map(|(k, x)| at(&lower, k, i) * x).sum();
        let value = (forward.get(i)? - known) / at(&lower, i, i);
        *solution.get_mut(i)? = value;
    }
    solution.iter().all(|x| x.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_found_and_a_penalty_pulls_towards_the_prior() {
        let mut moments = Moments::new(2);
        for n in 0..100 {
            let x = f64::from(n) / 10.0;
            moments.add(&[1.0, x], 3.0 - 2.0 * x);
        }
        let free = moments.towards(&[0.0, 0.0], 1e-9).unwrap();
        assert!(
            (free[0] - 3.0).abs() < 1e-6 && (free[1] + 2.0).abs() < 1e-6,
            "{free:?}"
        );
        let held = moments.towards(&[7.0, 1.0], 1e12).unwrap();
        assert!(
            (held[0] - 7.0).abs() < 1e-3 && (held[1] - 1.0).abs() < 1e-3,
            "{held:?}"
        );
    }

    #[test]
    fn what_is_not_positive_definite_has_no_solution() {
        assert_eq!(solve(&[0.0], &[1.0]), None);
        assert_eq!(solve(&[1.0, 2.0, 2.0, 1.0], &[1.0, 1.0]), None);
        assert_eq!(solve(&[f64::NAN], &[1.0]), None);
        assert_eq!(solve(&[f64::INFINITY], &[1.0]), None);
    }

    proptest! {
        #[test]
        fn a_solution_solves(rows in proptest::collection::vec(
            (proptest::array::uniform4(-5.0_f64..5.0), -5.0_f64..5.0), 1..40))
        {
            let mut moments = Moments::new(4);
            for (x, y) in &rows {
                moments.add(x, *y);
            }
            let b = moments.towards(&[0.0; 4], 1.0).unwrap();
            for i in 0..4 {
                let left: f64 = (0..4).map(|j| moments.xx(i, j) * b[j]).sum::<f64>() + b[i];
                prop_assert!((left - moments.xy(i)).abs() < 1e-6);
            }
        }
    }
}
