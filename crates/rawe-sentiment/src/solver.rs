//! Logistic regression with L2 on sparse rows: Newton steps, each solved by conjugate gradients.
//! Everything is in a fixed order, so the same rows give the same weights.

use crate::features::{DIMENSIONS, Features};

/// Newton steps at most; five are usually enough.
const NEWTON_STEPS: usize = 12;
/// Steps of conjugate gradients within one Newton step.
const GRADIENT_STEPS: usize = 25;
/// A gradient this small against the first one is none.
const TOLERANCE: f64 = 1e-3;

/// The weights that minimise Σ ln(1 + exp(-y w·x)) + l2/2 |w|²; `positive` says which rows are +1.
pub(crate) fn fit(rows: &[&Features], positive: &[bool], l2: f64) -> Vec<f64> {
    let mut weights = vec![0.0; DIMENSIONS];
    let mut first_norm = None;
    for _ in 0..NEWTON_STEPS {
        let chances: Vec<f64> = rows.iter().map(|row| sigmoid(dot(&weights, row))).collect();
        let mut gradient: Vec<f64> = weights.iter().map(|w| l2 * w).collect();
        for ((row, chance), positive) in rows.iter().zip(&chances).zip(positive) {
            add(&mut gradient, row, chance - f64::from(u8::from(*positive)));
        }
        let norm = product(&gradient, &gradient).sqrt();
        let first = *first_norm.get_or_insert(norm);
        if norm <= f64::MIN_POSITIVE || norm < TOLERANCE * first {
            break;
        }
        let curvature: Vec<f64> = chances.iter().map(|p| (p * (1.0 - p)).max(1e-6)).collect();
        let step = solve(rows, &curvature, l2, &gradient);
        for (weight, step) in weights.iter_mut().zip(&step) {
            *weight -= step;
        }
    }
    weights
}

/// Solves (X'DX + l2) step = gradient by conjugate gradients.
fn solve(rows: &[&Features], curvature: &[f64], l2: f64, gradient: &[f64]) -> Vec<f64> {
    let mut step = vec![0.0; gradient.len()];
    let mut rest = gradient.to_vec();
    let mut direction = rest.clone();
    let mut size = product(&rest, &rest);
    let enough = size * 1e-4;
    for _ in 0..GRADIENT_STEPS {
        if size <= enough || size <= f64::MIN_POSITIVE {
            break;
        }
        let mut image: Vec<f64> = direction.iter().map(|d| l2 * d).collect();
        for (row, curvature) in rows.iter().zip(curvature) {
            let along = dot(&direction, row) * curvature;
            add(&mut image, row, along);
        }
        let length = size / product(&direction, &image).max(f64::MIN_POSITIVE);
        for (((step, rest), direction), image) in
            step.iter_mut().zip(&mut rest).zip(&direction).zip(&image)
        {
            *step += length * direction;
            *rest -= length * image;
        }
        let next = product(&rest, &rest);
        let turn = next / size;
        for (direction, rest) in direction.iter_mut().zip(&rest) {
            *direction = rest + turn * *direction;
        }
        size = next;
    }
    step
}

/// w·x.
pub(crate) fn dot(weights: &[f64], row: &Features) -> f64 {
    row.iter()
        .map(|(place, value)| {
            weights.get(*place as usize).copied().unwrap_or(0.0) * f64::from(*value)
        })
        .sum()
}

fn add(sums: &mut [f64], row: &Features, factor: f64) {
    for (place, value) in row {
        if let Some(sum) = sums.get_mut(*place as usize) {
            *sum += factor * f64::from(*value);
        }
    }
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// 1 / (1 + exp(-x)).
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
