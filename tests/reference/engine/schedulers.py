#!/usr/bin/env python3
"""Makes tests/fixtures/schedulers/*.json: what diffusers' schedulers plan and compute.

usage: schedulers.py           (diffusers 0.42.1, torch 2.15, numpy 2.4 on an x86-64 machine with AVX2 or AVX-512)

Each case takes a `scheduler_config.json` of one class, switches to an algorithm by its short name as a user of diffusers does
(`X.from_config(pipe.scheduler.config)`), and runs a small pseudo network: 0.7 * scaled input + 0.3 * fixed noise, in float32.
"""
import json, pathlib
import numpy as np, torch
import diffusers

OUT = pathlib.Path(__file__).parents[2] / "fixtures/schedulers"
SHAPE = (1, 2, 3, 3)   # 18 values: the noise takes torch's path for sixteen and more, with a tail

CLASSES = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_k": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "heun_k": ("HeunDiscreteScheduler", {"use_karras_sigmas": True}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_k": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "unipc_k": ("UniPCMultistepScheduler", {"use_karras_sigmas": True}),
    "lcm": ("LCMScheduler", {}),
}

SDXL = {   # as SDXL base 1.0 ships it: values of several classes in one file
    "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "beta_start": 0.00085, "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000,
    "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
    "timestep_spacing": "leading", "trained_betas": None, "use_karras_sigmas": False,
}
CONFIGS = {
    "sdxl": SDXL,
    "v_zero_snr": {**SDXL, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
    "sample_linspace": {**SDXL, "prediction_type": "sample", "timestep_spacing": "linspace", "steps_offset": 0},
    "bare_ddim": {"_class_name": "DDIMScheduler", "beta_schedule": "squaredcos_cap_v2"},
    "thresholding": {"_class_name": "DDIMScheduler", "thresholding": True, "sample_max_value": 1.7, "dynamic_thresholding_ratio": 0.9, "prediction_type": "sample", "beta_schedule": "linear"},
    "short_training": {**SDXL, "num_train_timesteps": 100, "timestep_spacing": "trailing", "original_inference_steps": 20},
    "dpm_saved": None,   # what diffusers itself writes: with a bare -Infinity
    "unipc_order3": {**SDXL, "_class_name": "UniPCMultistepScheduler", "solver_order": 3, "solver_type": "bh1", "timestep_spacing": "linspace", "disable_corrector": [1], "final_sigmas_type": "sigma_min"},
    "dpm_sde": {**SDXL, "_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++", "euler_at_final": True, "final_sigmas_type": "sigma_min"},
    "dpm_sde_heun": {**SDXL, "_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++", "solver_type": "heun", "lower_order_final": False},
    "dpm_sde_order3": {**SDXL, "_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++", "solver_order": 3},
    "dpm_order3": {**SDXL, "_class_name": "DPMSolverMultistepScheduler", "solver_order": 3, "lower_order_final": True, "lambda_min_clipped": -5.1, "timestep_spacing": "linspace"},
    "dpm_heun": {**SDXL, "_class_name": "DPMSolverMultistepScheduler", "solver_type": "heun", "timestep_spacing": "trailing"},
    "euler_log_linear": {**SDXL, "interpolation_type": "log_linear", "final_sigmas_type": "sigma_min", "timestep_spacing": "trailing"},
    "euler_continuous": {**SDXL, "timestep_type": "continuous", "prediction_type": "v_prediction", "sigma_min": 0.002, "sigma_max": 120.0, "use_karras_sigmas": True},
    "exponential": {**SDXL, "use_exponential_sigmas": True},
    "unipc_noise": {**SDXL, "_class_name": "UniPCMultistepScheduler", "predict_x0": False, "final_sigmas_type": "sigma_min"},
    "clipped": {**SDXL, "clip_sample": True, "clip_sample_range": 1.25, "set_alpha_to_one": True, "prediction_type": "v_prediction"},
    "trained_betas": {"_class_name": "DDIMScheduler", "trained_betas": [round(0.001 + 0.0004 * i, 6) for i in range(40)], "num_train_timesteps": 40, "clip_sample": False, "original_inference_steps": 10},
}
EVERY = list(CLASSES)
PLAN = [   # configuration, algorithms, numbers of steps
    ("sdxl", EVERY, (1, 4, 20)),
    ("v_zero_snr", EVERY, (1, 4, 30)),
    ("sample_linspace", [n for n in EVERY if n != "euler_a"], (2, 6)),
    ("bare_ddim", EVERY, (5,)),
    ("thresholding", ["ddim", "lcm", "dpmpp_2m", "unipc"], (5,)),
    ("short_training", EVERY, (7,)),
    ("dpm_saved", EVERY, (5,)),
    ("unipc_order3", ["unipc", "unipc_k", "dpmpp_2m"], (3, 9)),
    ("dpm_sde", ["dpmpp_2m", "dpmpp_2m_k", "euler"], (3, 16)),
    ("dpm_sde_heun", ["dpmpp_2m"], (4,)),
    ("dpm_sde_order3", ["dpmpp_2m"], (6,)),
    ("dpm_order3", ["dpmpp_2m", "dpmpp_2m_k", "unipc"], (4, 17)),
    ("dpm_heun", ["dpmpp_2m", "unipc"], (6,)),
    ("euler_log_linear", ["euler", "euler_k", "heun"], (6,)),
    ("euler_continuous", ["euler", "heun", "unipc"], (6,)),
    ("exponential", ["euler", "heun", "dpmpp_2m", "unipc", "ddim"], (6,)),
    ("unipc_noise", ["unipc", "unipc_k"], (6,)),
    ("clipped", ["ddim", "lcm", "heun", "euler"], (6,)),
    ("trained_betas", ["ddim", "euler", "lcm", "dpmpp_2m"], (5,)),
]


def floats(t):
    return [float(np.float32(v)) for v in torch.as_tensor(t).flatten().tolist()]


def randn(seed):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def run(config, name, steps):
    own = getattr(diffusers, config["_class_name"]).from_config(config)   # as the pipeline loads it
    class_name, kwargs = CLASSES[name]
    scheduler = getattr(diffusers, class_name).from_config(own.config, **kwargs)
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    generator = torch.Generator().manual_seed(12345)
    noise = torch.randn(SHAPE, generator=generator)
    sample = noise * scheduler.init_noise_sigma
    fixed = randn(7)
    extra = {"generator": generator} if "generator" in scheduler.step.__code__.co_varnames else {}
    if name == "ddim":
        extra = {}
    samples = []
    for t in scheduler.timesteps:
        out = 0.7 * scheduler.scale_model_input(sample, t) + 0.3 * fixed
        sample = scheduler.step(out, t, sample, return_dict=False, **extra)[0]
        samples.append(sample)
    assert all(torch.isfinite(s).all() for s in samples), (config, name, steps)
    mid = len(samples) // 2
    # add_noise for image-to-image: from the second timestep where there is one
    start = 1 if len(scheduler.timesteps) > 1 else 0
    if hasattr(scheduler, "_step_index"):
        scheduler._step_index = None
        scheduler.set_begin_index(start)
    noised = scheduler.add_noise(randn(8), randn(9), scheduler.timesteps[start : start + 1])
    return {
        "scheduler": name, "steps": steps,
        "timesteps": floats(scheduler.timesteps.to(torch.float64)), "init_noise_sigma": float(scheduler.init_noise_sigma),
        "first": floats(samples[0]), "middle": floats(samples[mid]), "last": floats(samples[-1]),
        "noised_index": start, "noised": floats(noised),
    }


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for key, names, counts in PLAN:
        if key == "dpm_saved":
            text = diffusers.DPMSolverMultistepScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).to_json_string()
            config = json.loads(text)
        else:
            config = CONFIGS[key]
            text = json.dumps(config)
        cases = [run(config, name, steps) for name in names for steps in counts]
        (OUT / f"{key}.json").write_text(json.dumps({"config_text": text, "cases": cases}) + "\n")
        print(key, len(cases))


if __name__ == "__main__":
    main()
