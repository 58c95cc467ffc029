//! The factors of one layer's change: which format they are, and whether their shapes fit the layer.
//!
//! All of this is known from the header, so it is decided before any tensor is read.

use std::collections::BTreeMap;

use super::error::LoraFault;
use super::keys::Factor;

/// The highest rank accepted; the largest published have a quarter of it.
pub const MAX_RANK: usize = 4096;

/// How a layer's factors are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    LowRank,
    Hadamard,
    Kronecker,
}

/// A tensor of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
}

/// What was found out about a layer's factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub format: Format,
    /// The rank that alpha is divided by; `None` where no factor has one (a Kronecker product of two whole matrices).
    pub rank: Option<usize>,
    /// Whether the magnitude counts inputs instead of outputs.
    pub magnitude_of_inputs: bool,
}

/// A layer and the tensors that a file has for it.
pub(super) struct Factors<'l, 'a> {
    pub layer: &'l str,
    /// Outputs, inputs, side of the kernel.
    pub sizes: (usize, usize, usize),
    pub listed: BTreeMap<Factor, Listed<'a>>,
}

/// Allowed shapes of one tensor; 0 stands for the rank, which the answer says.
type Shapes = [Vec<usize>];

impl Factors<'_, '_> {
    /// Checks everything that the header tells.
    pub fn check(&self) -> Result<Checked, LoraFault> {
        let format = self.format()?;
        let rank = match format {
            Format::LowRank => self.low_rank().map(Some),
            Format::Hadamard => self.hadamard().map(Some),
            Format::Kronecker => self.kronecker(),
        }?;
        let (outputs, inputs, _) = self.sizes;
        for (factor, allowed) in [
            (Factor::Alpha, vec![vec![], vec![1]]),
            (Factor::UpBias, vec![vec![outputs]]),
            (
                Factor::Magnitude,
                vec![vec![outputs], vec![outputs, 1], vec![1, outputs, 1, 1], vec![outputs, 1, 1, 1]],
            ),
        ] {
            if self.listed.contains_key(&factor) {
                self.expect(factor, &allowed)?;
            }
        }
        let mut magnitude_of_inputs = false;
        if let Some(scale) = self.listed.get(&Factor::DoraScale) {
            let by_outputs = [vec![outputs], vec![outputs, 1], vec![outputs, 1, 1, 1]];
            let by_inputs = [vec![1, inputs], vec![1, inputs, 1, 1]];
            magnitude_of_inputs = !by_outputs.iter().any(|shape| shape == scale.shape);
            if magnitude_of_inputs {
                self.expect(Factor::DoraScale, &[by_outputs.as_slice(), &by_inputs].concat())?;
            }
        }
        Ok(Checked { format, rank, magnitude_of_inputs })
    }

    fn format(&self) -> Result<Format, LoraFault> {
        let mut found: Option<(Format, &str)> = None;
        for (factor, listed) in &self.listed {
            let format = match factor {
                Factor::Down | Factor::Up | Factor::UpBias | Factor::Mid => Format::LowRank,
                Factor::Alpha | Factor::Magnitude | Factor::DoraScale => continue,
                factor if *factor <= Factor::HadaT2 => Format::Hadamard,
                _ => Format::Kronecker,
            };
            match found {
                Some((other, first)) if other != format => {
                    let (layer, first) = (self.layer.to_owned(), first.to_owned());
                    return Err(LoraFault::TwoFormats { layer, first, second: listed.name.to_owned() });
                }
                _ => found = Some((format, listed.name)),
            }
        }
        found.map(|(format, _)| format).ok_or_else(|| self.missing("any factor"))
    }

    fn missing(&self, missing: &'static str) -> LoraFault {
        let found =
            self.listed.values().next().map_or_else(String::new, |listed| format!("`{}`", listed.name));
        LoraFault::Incomplete { layer: self.layer.to_owned(), found, missing }
    }

    fn need(&self, factor: Factor, what: &'static str) -> Result<Listed<'_>, LoraFault> {
        self.listed.get(&factor).copied().ok_or_else(|| self.missing(what))
    }

    /// Checks a tensor against shapes; the answer is its rank, the dimension that they leave open.
    fn expect(&self, factor: Factor, allowed: &Shapes) -> Result<usize, LoraFault> {
        let listed = self.need(factor, "a factor")?;
        let mut rank = 0;
        let fits = allowed.iter().any(|shape| {
            let mut open = None;
            let same = shape.len() == listed.shape.len()
                && shape.iter().zip(listed.shape).all(|(expected, got)| match expected {
                    0 => *got > 0 && *open.get_or_insert(*got) == *got,
                    expected => expected == got,
                });
            if same {
                rank = open.unwrap_or(0);
            }
            same
        });
        let tensor = || listed.name.to_owned();
        if !fits {
            let shown = |shape: &Vec<usize>| {
                let dims =
                    shape.iter().map(|dim| if *dim == 0 { "rank".to_owned() } else { dim.to_string() });
                format!("[{}]", dims.collect::<Vec<_>>().join(", "))
            };
            let expected = allowed.iter().map(shown).collect::<Vec<_>>().join(" or ");
            let (layer, got) = (self.layer.to_owned(), listed.shape.to_vec());
            return Err(LoraFault::WrongShape { tensor: tensor(), layer, expected, got });
        }
        if rank > MAX_RANK {
            return Err(LoraFault::RankTooLarge { tensor: tensor(), rank, limit: MAX_RANK });
        }
        Ok(rank)
    }

    /// Two factors that share a rank.
    fn expect_pair(&self, a: (Factor, &Shapes), b: (Factor, &Shapes)) -> Result<usize, LoraFault> {
        let rank = self.expect(a.0, a.1)?;
        // With the rank known the second has no open dimension left.
        let closed: Vec<Vec<usize>> =
            b.1.iter()
                .map(|shape| shape.iter().map(|dim| if *dim == 0 { rank } else { *dim }).collect())
                .collect();
        self.expect(b.0, &closed)?;
        Ok(rank)
    }

    fn low_rank(&self) -> Result<usize, LoraFault> {
        let (outputs, inputs, kernel) = self.sizes;
        self.need(Factor::Down, "its factor `down` (`lora_A`)")?;
        self.need(Factor::Up, "its factor `up` (`lora_B`)")?;
        let up = [vec![outputs, 0], vec![outputs, 0, 1, 1]];
        let point = [vec![0, inputs], vec![0, inputs, 1, 1]];
        if self.listed.contains_key(&Factor::Mid) {
            let rank = self.expect_pair((Factor::Down, &point), (Factor::Up, &up))?;
            self.expect(Factor::Mid, &[vec![rank, rank, kernel, kernel]])?;
            return Ok(rank);
        }
        let down = if kernel == 1 { point.to_vec() } else { vec![vec![0, inputs, kernel, kernel]] };
        self.expect_pair((Factor::Down, &down), (Factor::Up, &up))
    }

    fn hadamard(&self) -> Result<usize, LoraFault> {
        let (outputs, inputs, kernel) = self.sizes;
        let cores = self.listed.contains_key(&Factor::HadaT1) || self.listed.contains_key(&Factor::HadaT2);
        let mut first = None;
        for (a, b, core) in [
            (Factor::Hada1A, Factor::Hada1B, Factor::HadaT1),
            (Factor::Hada2A, Factor::Hada2B, Factor::HadaT2),
        ] {
            self.need(a, "one of its factors `hada_w1_a`, `hada_w2_a`")?;
            self.need(b, "one of its factors `hada_w1_b`, `hada_w2_b`")?;
            let rank = if cores {
                self.need(core, "one of its cores `hada_t1`, `hada_t2`")?;
                let rank = self.expect_pair((a, &[vec![0, outputs]]), (b, &[vec![0, inputs]]))?;
                self.expect(core, &[vec![rank, rank, kernel, kernel]])?;
                rank
            } else {
                let b_shape = vec![0, inputs * kernel * kernel];
                self.expect_pair((a, &[vec![outputs, 0]]), (b, &[b_shape]))?
            };
            first = first.or(Some(rank));
        }
        Ok(first.unwrap_or(1))
    }

    /// The sides of the first matrix follow from its factors, those of the second must complete them.
    fn kronecker(&self) -> Result<Option<usize>, LoraFault> {
        let (outputs, inputs, kernel) = self.sizes;
        let missing = "one of its factors `lokr_w1` or `lokr_w1_a` and `lokr_w1_b`";
        let (rows, columns, first) = if let Some(whole) = self.listed.get(&Factor::Kron1) {
            match *whole.shape {
                [rows, columns] => (rows, columns, None),
                _ => return Err(self.misfit(*whole, "a divisor of the outputs by a divisor of the inputs")),
            }
        } else {
            let (a, b) = (self.need(Factor::Kron1A, missing)?, self.need(Factor::Kron1B, missing)?);
            match (a.shape, b.shape) {
                (&[rows, rank], &[same, columns]) if rank == same => {
                    let rank = self.expect(Factor::Kron1A, &[vec![rows.max(1), 0]])?;
                    (rows, columns, Some(rank))
                }
                _ => {
                    return Err(
                        self.misfit(a, "[divisor of the outputs, rank], and `lokr_w1_b` [rank, divisor]")
                    );
                }
            }
        };
        if rows == 0 || columns == 0 || !outputs.is_multiple_of(rows) || !inputs.is_multiple_of(columns) {
            let listed = self.listed.get(&Factor::Kron1).or(self.listed.get(&Factor::Kron1A)).copied();
            let listed = listed.unwrap_or(Listed { name: self.layer, shape: &[] });
            return Err(self.misfit(listed, "sides that divide those of the layer"));
        }
        let (outputs, inputs) = (outputs / rows, inputs / columns);
        if self.listed.contains_key(&Factor::Kron2) {
            let mut whole = vec![vec![outputs, inputs, kernel, kernel]];
            if kernel == 1 {
                whole.push(vec![outputs, inputs]);
            }
            self.expect(Factor::Kron2, &whole)?;
            return Ok(first);
        }
        let missing = "one of its factors `lokr_w2` or `lokr_w2_a` and `lokr_w2_b`";
        self.need(Factor::Kron2A, missing)?;
        self.need(Factor::Kron2B, missing)?;
        let second = if self.listed.contains_key(&Factor::KronT2) {
            let rank = self
                .expect_pair((Factor::Kron2A, &[vec![0, outputs]]), (Factor::Kron2B, &[vec![0, inputs]]))?;
            self.expect(Factor::KronT2, &[vec![rank, rank, kernel, kernel]])?;
            rank
        } else {
            let b_shape = vec![0, inputs * kernel * kernel];
            self.expect_pair((Factor::Kron2A, &[vec![outputs, 0]]), (Factor::Kron2B, &[b_shape]))?
        };
        Ok(Some(second))
    }

    fn misfit(&self, listed: Listed<'_>, expected: &str) -> LoraFault {
        LoraFault::WrongShape {
            tensor: listed.name.to_owned(),
            layer: self.layer.to_owned(),
            expected: expected.to_owned(),
            got: listed.shape.to_vec(),
        }
    }
}
