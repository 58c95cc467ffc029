//! Schedulers by the names that students meet in other tools.

/// The usual name of a scheduler id.
pub fn name(id: &str) -> &str {
    match id {
        "euler" => "Euler",
        "euler_k" => "Euler Karras",
        "euler_a" => "Euler a",
        "heun" => "Heun",
        "heun_k" => "Heun Karras",
        "dpmpp_2m" => "DPM++ 2M",
        "dpmpp_2m_k" => "DPM++ 2M Karras",
        "unipc" => "UniPC",
        "unipc_k" => "UniPC Karras",
        "ddim" => "DDIM",
        "lcm" => "LCM",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_scheduler_has_a_name() {
        for id in chapan_api::generation::SCHEDULERS {
            assert_ne!(super::name(id), *id);
        }
    }
}
