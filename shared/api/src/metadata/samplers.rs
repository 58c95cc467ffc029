//! Names of samplers and schedules in other programs, and what they are called here.

use crate::generation::SCHEDULERS;

/// What is known of a sampler's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampler {
    /// The same algorithm with the same noise levels.
    Same(&'static str),
    /// The same algorithm; its noise levels are not known here.
    OtherSchedule(&'static str),
    /// Nothing.
    Unknown,
}

/// Ours for a sampler of A1111 (`DPM++ 2M`), ComfyUI (`dpmpp_2m`) or InvokeAI (`dpmpp_2m_k`), and its schedule.
pub(super) fn scheduler_of(sampler: &str, schedule: Option<&str>) -> Sampler {
    let sampler = sampler.trim().to_lowercase();
    // Old versions of A1111 wrote the schedule behind the sampler.
    let (sampler, in_name) = match sampler.strip_suffix(" karras").or_else(|| sampler.strip_suffix("_k")) {
        Some(rest) => (rest.to_owned(), Some("karras")),
        None => (sampler, None),
    };
    let base = match sampler.as_str() {
        "euler" => "euler",
        "euler a" | "euler_a" | "euler_ancestral" | "k_euler_a" => "euler_a",
        "heun" | "k_heun" => "heun",
        "dpm++ 2m" | "dpmpp_2m" | "k_dpmpp_2m" => "dpmpp_2m",
        "unipc" | "uni_pc" | "uni_pc_bh2" => "unipc",
        "ddim" => "ddim",
        "lcm" => "lcm",
        _ => return Sampler::Unknown,
    };
    let schedule = schedule.map(|schedule| schedule.trim().to_lowercase());
    let karras = ours(&format!("{base}_k"));
    match (in_name.or(schedule.as_deref()), karras) {
        (Some("karras"), Some(id)) => Sampler::Same(id),
        // A1111's own choice for this sampler.
        (Some("automatic"), Some(id)) if base == "dpmpp_2m" => Sampler::Same(id),
        (None | Some("automatic" | "normal" | "uniform" | "ddim_uniform" | "ddim"), _) => {
            ours(base).map_or(Sampler::Unknown, Sampler::Same)
        }
        _ => ours(base).map_or(Sampler::Unknown, Sampler::OtherSchedule),
    }
}

fn ours(id: &str) -> Option<&'static str> {
    SCHEDULERS.iter().copied().find(|known| *known == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_four_programs_are_known() {
        for (sampler, schedule, expected) in [
            ("Euler a", None, Sampler::Same("euler_a")),
            ("DPM++ 2M Karras", None, Sampler::Same("dpmpp_2m_k")),
            ("DPM++ 2M", Some("Karras"), Sampler::Same("dpmpp_2m_k")),
            ("DPM++ 2M", Some("Automatic"), Sampler::Same("dpmpp_2m_k")),
            ("Euler", Some("Automatic"), Sampler::Same("euler")),
            ("Euler a", Some("Karras"), Sampler::OtherSchedule("euler_a")),
            ("dpmpp_2m", Some("karras"), Sampler::Same("dpmpp_2m_k")),
            ("euler_ancestral", Some("normal"), Sampler::Same("euler_a")),
            ("euler", Some("beta"), Sampler::OtherSchedule("euler")),
            ("uni_pc", Some("normal"), Sampler::Same("unipc")),
            ("dpmpp_2m_k", None, Sampler::Same("dpmpp_2m_k")),
            ("DPM++ SDE", Some("Karras"), Sampler::Unknown),
            ("", None, Sampler::Unknown),
        ] {
            assert_eq!(scheduler_of(sampler, schedule), expected, "{sampler} {schedule:?}");
        }
    }
}
