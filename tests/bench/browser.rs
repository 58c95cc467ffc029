//! What the browser computes by itself, beside the same work outside of it: structural similarity, a prompt's check, a
//! picture of the mini model. A report, not a verdict.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use chapan_metrics::ssim::{Size, Window, ssim};
use chapan_metrics::ssim_rgb8;
use chapan_tests::browser::Browser;
use chapan_tests::client::Client;
use chapan_tests::server::{Models, Server};
use chapan_tests::wait;
use serde_json::{Value, json};

const SIDE: usize = 1024;
const ROUNDS: usize = 7;
const PROMPT: &str = "a smiling man, round face, thin mustache, orange chapan robe, steppe background";

fn main() {
    let folder = tempfile::tempdir().expect("there is room for a database");
    let server = Server::start(&folder.path().join("data"), Models::Family);
    let browser = Browser::open(&server.address);
    let client = Client::new(&server.address);
    similarity(&browser, &client);
    check(&browser);
    picture(&browser, &client);
}

/// Both windows over three channels, and the difference map, as the compare page asks for them.
fn similarity(browser: &Browser, client: &Client) {
    let pictures = [pattern(1), pattern(7)];
    let ids = pictures.each_ref().map(|rgb| {
        let answer = client.upload("/api/images", &png(rgb)).expect("the server answers");
        assert!(answer.status < 300, "{}", answer.body);
        answer.body["id"].as_str().expect("a picture has an id").to_owned()
    });
    let mut wasm = Vec::new();
    for round in 0..=ROUNDS {
        let (a, b) = (round % 2, 1 - round % 2);
        browser.visit(&format!("/compare?first={}&second={}", ids[a], ids[b]));
        let took = wait::until("the comparison", || {
            let script = "return Number(document.querySelector('[data-took]')?.dataset.took ?? 0);";
            browser.script(script, &json!([])).as_f64().filter(|took| *took > 0.0)
        });
        wasm.push(took);
    }
    let wide = |rgb: &[u8]| rgb.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
    let size = Size { width: SIDE, height: SIDE, channels: 3 };
    let mut native = Vec::new();
    for _ in 0..=ROUNDS {
        let start = Instant::now();
        let (a, b) = (wide(&pictures[0]), wide(&pictures[1]));
        black_box(ssim_rgb8(&pictures[0], &pictures[1], SIDE, SIDE).expect("one size"));
        black_box(ssim(&a, &b, size, 255.0, Window::Gaussian11).expect("one size"));
        native.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    // The first of each warms up.
    let (wasm, native) = (median(&wasm[1..]), median(&native[1..]));
    tell(&format!(
        "compare {SIDE}x{SIDE}, both windows: {wasm:.0} ms in the browser (with PNG, PSNR, colours and map), \
         {native:.0} ms here (both windows alone): {:.2}",
        wasm / native
    ));
}

/// The check under the prompt, warm.
fn check(browser: &Browser) {
    browser.visit("/studio");
    wait::until("the prompt", || {
        let here = "return Boolean(document.querySelector('#prompt'));";
        (browser.script(here, &json!([])) == Value::Bool(true)).then_some(())
    });
    let mut took = Vec::new();
    for round in 0..=ROUNDS {
        let prompt = format!("{PROMPT}, {round}");
        browser.script(
            "const field = document.querySelector('#prompt'); field.value = arguments[0]; field.dispatchEvent(new Event('input', {bubbles: true}));",
            &json!([prompt]),
        );
        // The same time twice in a row cannot be told from no answer: that round is left out.
        let before = took.last().copied().unwrap_or(0.0);
        took.extend(wait::attempt(Duration::from_secs(2), || {
            let script = "return document.querySelector('[data-testid=prompt-check]')?.dataset.took ?? '0';";
            let told = browser.script(script, &json!([]));
            told.as_str()?.parse().ok().filter(|now: &f64| *now > 0.0 && (*now - before).abs() > 1e-9)
        }));
    }
    tell(&format!("prompt check, warm: {:.0} ms in the browser", median(&took[1..])));
}

/// The default picture: 128x128, 20 steps, guided.
fn picture(browser: &Browser, client: &Client) {
    let asked = json!({"prompt": PROMPT, "seed": 7, "num_inference_steps": 20, "guidance_scale": 5.0});
    let mut server = Vec::new();
    for _ in 0..=2 {
        let job = client.post("/api/generations", &asked).expect("the server answers").body;
        let place = format!("/api/jobs/{}", job["id"].as_str().expect("a job has an id"));
        let image = wait::until("the server's picture", || {
            client.get(&place).ok()?.body["image"].as_str().map(str::to_owned)
        });
        let image: Value = client.get(&format!("/api/images/{image}")).expect("the server answers").body;
        server.push(image["duration_ms"].as_f64().expect("a picture has a duration") / 1000.0);
    }
    browser.visit(&format!("/microscope?image={}", newest(client)));
    wait::until("the switch", || {
        let click = "const places = document.querySelectorAll('[name=scope-place]'); places[1]?.click(); return places.length;";
        (browser.script(click, &json!([])).as_u64() == Some(2)).then_some(())
    });
    wait::until("the model in the browser", || {
        let here = "return Boolean(document.querySelector('.scope-ready'));";
        (browser.script(here, &json!([])) == Value::Bool(true)).then_some(())
    });
    let mut here = Vec::new();
    for _ in 0..=2 {
        browser.script("document.querySelector('.scope-form').requestSubmit();", &json!([]));
        wait::until("a drawing under way", || {
            let gone = "return !document.querySelector('[data-testid=took]');";
            (browser.script(gone, &json!([])) == Value::Bool(true)).then_some(())
        });
        here.push(wait::until("the browser's picture", || {
            let script = "return Number(document.querySelector('[data-testid=took]')?.dataset.took ?? 0);";
            browser.script(script, &json!([])).as_f64().filter(|took| *took > 0.0)
        }));
    }
    let (here, server) = (median(&here[1..]) / 1000.0, median(&server[1..]));
    tell(&format!(
        "mini picture, 20 guided steps: {here:.2} s in the browser (one thread), {server:.2} s on the server: {:.1}",
        here / server
    ));
}

fn tell(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output takes a line");
}

fn newest(client: &Client) -> String {
    let images = client.get("/api/images").expect("the server answers").body;
    images["items"][0]["id"].as_str().expect("there are pictures").to_owned()
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Something with edges and gradients, another for each seed.
fn pattern(seed: usize) -> Vec<u8> {
    (0..SIDE * SIDE)
        .flat_map(|at| {
            let (x, y) = (at % SIDE, at / SIDE);
            let wave = ((x * seed + y) / 16 + (x * y) / (997 * seed)) % 256;
            [wave as u8, (255 - wave) as u8, ((x ^ y) % 256) as u8]
        })
        .collect()
}

fn png(rgb: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(rgb))
        .expect("a picture can be written to memory");
    file
}
