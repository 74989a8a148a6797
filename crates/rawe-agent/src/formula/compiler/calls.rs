//! Calls: which arguments a function or feature takes, and within which bounds.

use rawe_narrative::demand::{HALF_LIFE_MINUTES_MAX, HALF_LIFE_MINUTES_MIN, MOVE_HOURS_MAX};
use rawe_narrative::{Feature, Measure, StreamChoice};

use super::{Compiler, Read, Reader, Stuck};
use crate::formula::lexer::Word;
use crate::formula::names;
use crate::formula::program::{Binary, Node, Place, Source, Unary};

/// The most arguments of a call.
const ARGUMENTS_MAX: usize = 8;
/// Minutes of a day.
const DAY: f64 = 1_440.0;
/// Bounds of the half-life of a mean, minutes: a quarter of an hour, a year.
const MEAN_MINUTES: (f64, f64) = (15.0, 365.0 * DAY);
/// Bounds of the half-life of a learned sign's record, minutes: a day, ten years.
const LEARNED_MINUTES: (f64, f64) = (DAY, 3_650.0 * DAY);
/// Bounds of its silence.
const SILENT_MINUTES: (f64, f64) = (0.0, 3_650.0 * DAY);

/// An argument and where it begins.
#[derive(Clone, Copy, Debug)]
struct Argument {
    at: usize,
    value: ArgumentValue,
}

#[derive(Clone, Copy, Debug)]
enum ArgumentValue {
    Minutes(f64),
    Stream(StreamChoice),
    Node(Place),
}

use ArgumentValue::{Minutes, Node as At, Stream};

/// A call being read.
struct Call<'r, 't> {
    reader: &'r Reader<'t>,
    name: &'t str,
    at: usize,
    arguments: &'r [Argument],
}

impl<'t> Compiler<'t> {
    /// A name with arguments; the reader is before the bracket.
    pub(super) fn call(
        &mut self,
        reader: &mut Reader<'t>,
        name: &'t str,
        at: usize,
    ) -> Read<Place> {
        let told = self.problems.len();
        let arguments = self.arguments(reader)?;
        let call = Call {
            reader,
            name,
            at,
            arguments: &arguments,
        };
        let Some(usage) = names::usage(name) else {
            let is_plain = names::plain(name).is_some()
                || self.definitions.contains_key(name)
                || self.shipped.contains_key(name);
            if is_plain {
                self.problem(reader, at, &format!("'{name}' takes no arguments"));
            } else {
                self.unknown(reader, name, at);
            }
            return Ok(self.zero());
        };
        if self.problems.len() > told {
            // What an argument was meant to be is not known: nothing more can be said.
            return Ok(self.zero());
        }
        if let Some(node) = self.built(&call) {
            return Ok(node);
        }
        if self.problems.len() == told {
            self.problem(reader, at, &format!("'{name}' is written {usage}"));
        }
        Ok(self.zero())
    }

    fn arguments(&mut self, reader: &mut Reader<'t>) -> Read<Vec<Argument>> {
        reader.next += 1;
        let mut arguments = Vec::new();
        if reader.took(')') {
            return Ok(arguments);
        }
        loop {
            let at = reader.token().at;
            let value = self.argument(reader)?;
            if arguments.len() >= ARGUMENTS_MAX {
                let problem = format!("{ARGUMENTS_MAX} arguments at most");
                self.problem(reader, at, &problem);
                return Err(Stuck);
            }
            arguments.push(Argument { at, value });
            if reader.took(')') {
                return Ok(arguments);
            }
            if !reader.took(',') {
                let at = reader.token().at;
                self.problem(reader, at, "',' or ')' is expected here");
                return Err(Stuck);
            }
        }
    }

    fn argument(&mut self, reader: &mut Reader<'t>) -> Read<ArgumentValue> {
        let word = reader.token().word;
        reader.next += 1;
        let is_alone = reader.is_at(',') || reader.is_at(')');
        match word {
            Word::Duration(minutes) if is_alone => return Ok(Minutes(minutes)),
            Word::Name(name) if is_alone => {
                if let Some(stream) = names::stream(name) {
                    return Ok(Stream(stream));
                }
            }
            _ => {}
        }
        reader.next -= 1;
        self.expression(reader).map(At)
    }

    /// The node of a call; `None` where the arguments do not fit.
    fn built(&mut self, call: &Call<'_, 't>) -> Option<Place> {
        let values: Vec<ArgumentValue> = call.arguments.iter().map(|a| a.value).collect();
        let node = match (call.name, values.as_slice()) {
            ("tone" | "intensity" | "dispersion" | "velocity" | "move" | "return", _) => {
                Node::Source(Source::Measured(self.feature(call, &values)?))
            }
            ("z", &[At(of)]) => self.abnormal(call, of)?,
            ("abs", &[At(of)]) => Node::Unary(Unary::Abs, of),
            ("sign", &[At(of)]) => Node::Unary(Unary::Sign, of),
            ("exp", &[At(of)]) => Node::Unary(Unary::Exp, of),
            ("ln", &[At(of)]) => Node::Unary(Unary::Ln, of),
            ("min", _) => return self.folded(Binary::Min, &values),
            ("max", _) => return self.folded(Binary::Max, &values),
            ("clip", &[At(of)]) => Node::Clip { of, limit: 1.0 },
            ("clip", &[At(of), At(limit)]) => Node::Clip {
                of,
                limit: self.number(call, 1, limit)?,
            },
            ("band", &[At(of), At(width)]) => Node::Band {
                of,
                width: self.number(call, 1, width)?,
            },
            ("mean", &[Minutes(minutes), At(of)]) => {
                let minutes = self.bounded(call, 0, minutes, MEAN_MINUTES)?;
                Node::Mean {
                    half_life_hours: minutes / 60.0,
                    of,
                }
            }
            ("learned", &[Minutes(half_life), Minutes(silent), At(of)]) => {
                let half_life = self.bounded(call, 0, half_life, LEARNED_MINUTES)?;
                let silent = self.bounded(call, 1, silent, SILENT_MINUTES)? / DAY;
                let silent_days = whole(silent).or_else(|| {
                    self.misfit(call, 1, "whole days are expected here");
                    None
                })?;
                Node::Learned {
                    half_life_days: half_life / DAY,
                    silent_days: silent_days.into(),
                    of,
                }
            }
            _ => return None,
        };
        Some(self.add(node))
    }

    fn feature(&mut self, call: &Call<'_, 't>, values: &[ArgumentValue]) -> Option<Feature> {
        let (minutes, stream) = match *values {
            [Minutes(minutes)] => (Some(minutes), StreamChoice::Market),
            [Minutes(minutes), Stream(stream)] => (Some(minutes), stream),
            [Stream(stream)] if call.name == "velocity" => {
                return Some(Feature::Raw(Measure::Velocity, stream));
            }
            [] if call.name == "velocity" => (None, StreamChoice::Market),
            _ => return None,
        };
        let measure = match (call.name, minutes) {
            ("velocity", None) => Measure::Velocity,
            ("move" | "return", Some(minutes)) if values.len() == 1 => {
                let most = f64::from(MOVE_HOURS_MAX) * 60.0;
                let hours = self.bounded(call, 0, minutes, (60.0, most))? / 60.0;
                let hours = whole(hours).or_else(|| {
                    self.misfit(call, 0, "whole hours are expected here");
                    None
                })?;
                let is_move = call.name == "move";
                return Some(if is_move {
                    Feature::Move(hours)
                } else {
                    Feature::Return(hours)
                });
            }
            (name @ ("tone" | "intensity" | "dispersion"), Some(minutes)) => {
                let bounds = (HALF_LIFE_MINUTES_MIN.into(), HALF_LIFE_MINUTES_MAX.into());
                let minutes = self.bounded(call, 0, minutes, bounds)?;
                let minutes = whole(minutes).or_else(|| {
                    self.misfit(call, 0, "whole minutes are expected here");
                    None
                })?;
                match name {
                    "tone" => Measure::Tone(minutes),
                    "intensity" => Measure::Intensity(minutes),
                    _ => Measure::Dispersion(minutes),
                }
            }
            _ => return None,
        };
        Some(Feature::Raw(measure, stream))
    }

    /// z() of a feature.
    fn abnormal(&mut self, call: &Call<'_, 't>, of: Place) -> Option<Node> {
        if let Some(Node::Source(Source::Measured(Feature::Raw(measure, stream)))) =
            self.nodes.get(of)
        {
            let feature = Feature::Abnormal(*measure, *stream);
            return Some(Node::Source(Source::Measured(feature)));
        }
        self.misfit(
            call,
            0,
            "z() takes tone, intensity, velocity or dispersion, and nothing computed of them",
        );
        None
    }

    /// min() and max() of two values or more.
    fn folded(&mut self, binary: Binary, values: &[ArgumentValue]) -> Option<Place> {
        let mut places = values.iter().map(|value| match *value {
            At(place) => Some(place),
            Minutes(_) | Stream(_) => None,
        });
        let first = places.next()??;
        let second = places.next()??;
        let mut left = self.add(Node::Binary(binary, first, second));
        for place in places {
            left = self.add(Node::Binary(binary, left, place?));
        }
        Some(left)
    }

    /// An argument that must be a plain number above 0.
    fn number(&mut self, call: &Call<'_, 't>, place: usize, node: Place) -> Option<f64> {
        if let Some(Node::Number(number)) = self.nodes.get(node)
            && *number > 0.0
        {
            return Some(*number);
        }
        self.misfit(call, place, "a plain number above 0 is expected here");
        None
    }

    /// A duration within bounds, minutes.
    fn bounded(
        &mut self,
        call: &Call<'_, 't>,
        place: usize,
        minutes: f64,
        (least, most): (f64, f64),
    ) -> Option<f64> {
        if (least..=most).contains(&minutes) {
            return Some(minutes);
        }
        let bounds = (written(least), written(most));
        let problem = format!("{} to {} is allowed here", bounds.0, bounds.1);
        self.misfit(call, place, &problem);
        None
    }

    /// A problem of one argument.
    fn misfit(&mut self, call: &Call<'_, 't>, place: usize, problem: &str) {
        let at = call.arguments.get(place).map_or(call.at, |a| a.at);
        self.problem(call.reader, at, problem);
    }
}

/// A duration as the language writes it.
fn written(minutes: f64) -> String {
    if minutes < 60.0 {
        format!("{minutes}m")
    } else if minutes < 2.0 * DAY {
        format!("{}h", minutes / 60.0)
    } else {
        format!("{}d", minutes / DAY)
    }
}

/// A whole number as one, if it is.
fn whole(value: f64) -> Option<u32> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded by its callers far inside the range"
    )]
    let rounded = value.round() as u32;
    ((f64::from(rounded) - value).abs() < 1e-9).then_some(rounded)
}
