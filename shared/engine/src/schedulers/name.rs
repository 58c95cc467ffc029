//! The names by which people choose a sampling algorithm.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A sampling algorithm; `K` variants space their noise levels after Karras et al. (2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchedulerName {
    /// `DDIMScheduler` with eta 0.
    Ddim,
    /// `EulerDiscreteScheduler`.
    Euler,
    /// `EulerDiscreteScheduler` with `use_karras_sigmas`.
    EulerK,
    /// `EulerAncestralDiscreteScheduler`: draws fresh noise at every step.
    EulerA,
    /// `HeunDiscreteScheduler`: two network calls a step.
    Heun,
    /// `HeunDiscreteScheduler` with `use_karras_sigmas`.
    HeunK,
    /// `DPMSolverMultistepScheduler`.
    Dpmpp2m,
    /// `DPMSolverMultistepScheduler` with `use_karras_sigmas`.
    Dpmpp2mK,
    /// `UniPCMultistepScheduler`.
    Unipc,
    /// `UniPCMultistepScheduler` with `use_karras_sigmas`.
    UnipcK,
    /// `LCMScheduler`: for checkpoints distilled to a few steps; draws fresh noise between steps.
    Lcm,
}

impl SchedulerName {
    /// All names, in the order in which they are offered.
    pub const ALL: [Self; 11] = [
        Self::Ddim,
        Self::Euler,
        Self::EulerK,
        Self::EulerA,
        Self::Heun,
        Self::HeunK,
        Self::Dpmpp2m,
        Self::Dpmpp2mK,
        Self::Unipc,
        Self::UnipcK,
        Self::Lcm,
    ];

    /// The name as written on the command line and in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::Euler => "euler",
            Self::EulerK => "euler_k",
            Self::EulerA => "euler_a",
            Self::Heun => "heun",
            Self::HeunK => "heun_k",
            Self::Dpmpp2m => "dpmpp_2m",
            Self::Dpmpp2mK => "dpmpp_2m_k",
            Self::Unipc => "unipc",
            Self::UnipcK => "unipc_k",
            Self::Lcm => "lcm",
        }
    }

    /// Whether the name asks for Karras noise levels.
    pub const fn is_karras(self) -> bool {
        matches!(self, Self::EulerK | Self::HeunK | Self::Dpmpp2mK | Self::UnipcK)
    }
}

impl fmt::Display for SchedulerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SchedulerName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(name) = Self::ALL.into_iter().find(|name| name.as_str() == text) {
            return Ok(name);
        }
        let plain =
            text.strip_suffix("_k").filter(|plain| Self::ALL.iter().any(|name| name.as_str() == *plain));
        Err(Error::Parameter {
            parameter: "scheduler",
            fault: match plain {
                Some(plain) => format!("is `{text}`, but `{plain}` has no Karras variant"),
                None => format!("is `{text}`, which is not known"),
            },
            hint: match plain {
                Some(plain) => {
                    format!("use `{plain}`, or one of `euler_k`, `heun_k`, `dpmpp_2m_k`, `unipc_k`")
                }
                None => format!("choose one of {}", Self::ALL.map(|name| format!("`{name}`")).join(", ")),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in SchedulerName::ALL {
            assert_eq!(name.as_str().parse::<SchedulerName>().ok(), Some(name));
            assert_eq!(name.is_karras(), name.as_str().ends_with("_k"));
        }
    }

    #[test]
    fn karras_is_refused_where_it_does_not_exist() {
        for text in ["ddim_k", "euler_a_k", "lcm_k"] {
            let refusal = text.parse::<SchedulerName>().expect_err("no such variant").to_string();
            assert!(refusal.contains("no Karras variant") && refusal.contains("hint: use"), "{refusal}");
        }
        let refusal = "dpm".parse::<SchedulerName>().expect_err("unknown").to_string();
        assert!(refusal.contains("`dpmpp_2m`"), "{refusal}");
    }
}
