//! `GET /gallery`: sixty pictures that the server draws itself, each with its width and height in the page;
//! LazyImages around it makes those further down load when they are scrolled to.

use std::{f64::consts::TAU, fmt::Write as _};

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    response::{Html, IntoResponse},
    routing::get,
};
use donjon::Problem;
use http::{StatusCode, header};

use crate::problems;

const PICTURES: u32 = 60;
const WIDTH: u32 = 480;
const HEIGHT: u32 = 320;

/// A picture shows nothing but itself, whoever opens it alone.
const PICTURE_CSP: &str = "default-src 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router {
    Router::new().route("/gallery", get(page)).route("/gallery/images/{name}", get(picture))
}

async fn page() -> impl IntoResponse {
    let mut items = String::new();
    for number in 1..=PICTURES {
        let caption = Scene::of(number).caption;
        // Writing to a string cannot fail.
        let _ = writeln!(
            items,
            "<li><figure><img src=\"/gallery/images/{number}.svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             alt=\"{caption} over the hills\"><figcaption>{number}. {caption}</figcaption></figure></li>",
        );
    }
    (
        [(header::CONTENT_SECURITY_POLICY, crate::page::CSP)],
        Html(include_str!("page/gallery.html").replace("<!-- pictures -->", &items)),
    )
}

async fn picture(name: Result<Path<String>, PathRejection>) -> Result<impl IntoResponse, Problem> {
    let Path(name) = name.map_err(problems::no_such_name)?;
    let number = number_of(&name).ok_or_else(|| problems::bare(StatusCode::NOT_FOUND))?;
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CONTENT_SECURITY_POLICY, PICTURE_CSP)];
    Ok((headers, Scene::of(number).draw(number)))
}

/// `7` for `7.svg`; one name for each picture, so `07.svg` is none.
fn number_of(name: &str) -> Option<u32> {
    let number: u32 = name.strip_suffix(".svg")?.parse().ok()?;
    ((1..=PICTURES).contains(&number) && name == format!("{number}.svg")).then_some(number)
}

/// The light of a picture: sky above, sky at the horizon, sun, and the hills from far to near.
struct Scene {
    caption: &'static str,
    sky: [&'static str; 2],
    sun: &'static str,
    hills: [&'static str; 4],
}

const SCENES: [Scene; 6] = [
    Scene { caption: "Dawn", sky: ["#7d8fb3", "#f3c9a9"], sun: "#fff1d6", hills: ["#b79aa4", "#8d7b90", "#5f5d7a", "#3b4260"] },
    Scene {
        caption: "Morning",
        sky: ["#8fbfd9", "#e8f1ea"],
        sun: "#fffbe6",
        hills: ["#a9c8b4", "#7fae95", "#548a76", "#2f6558"],
    },
    Scene { caption: "Noon", sky: ["#4f9bc9", "#cfe6ef"], sun: "#ffffff", hills: ["#9cc0a0", "#79a576", "#557f52", "#365b3a"] },
    Scene {
        caption: "Evening",
        sky: ["#5d6a94", "#f0a97a"],
        sun: "#ffe0a8",
        hills: ["#b57f70", "#8a5e63", "#5d4557", "#372f45"],
    },
    Scene {
        caption: "Moonlight",
        sky: ["#141f38", "#3d5473"],
        sun: "#eef2f6",
        hills: ["#34496a", "#273955", "#1b2942", "#111b2e"],
    },
    Scene { caption: "Fog", sky: ["#b9c3c9", "#e6e9e8"], sun: "#f7f8f6", hills: ["#c3cccd", "#a5b1b4", "#839296", "#5f7076"] },
];

impl Scene {
    fn of(number: u32) -> &'static Scene {
        let [first, ..] = &SCENES;
        SCENES.iter().cycle().nth(number as usize - 1).unwrap_or(first)
    }

    fn draw(&self, number: u32) -> String {
        let mut chance = Chance(u64::from(number));
        let [above, below] = self.sky;
        let (sun_x, sun_y, sun_size) = (chance.between(60.0, 420.0), chance.between(50.0, 150.0), chance.between(16.0, 34.0));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\
             <linearGradient id=\"s\" x2=\"0\" y2=\"1\"><stop stop-color=\"{above}\"/><stop offset=\".75\" stop-color=\"{below}\"/></linearGradient>\
             <path fill=\"url(#s)\" d=\"M0 0h{WIDTH}v{HEIGHT}H0z\"/><circle cx=\"{sun_x:.0}\" cy=\"{sun_y:.0}\" r=\"{sun_size:.0}\" fill=\"{}\"/>",
            self.sun,
        );
        for (depth, colour) in self.hills.iter().enumerate() {
            hill(&mut svg, &mut chance, 150.0 + 42.0 * depth as f64, colour);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// A line of hills: two waves on each other, filled to the ground.
fn hill(svg: &mut String, chance: &mut Chance, level: f64, colour: &str) {
    let (long, short) = (chance.between(1.0, 2.2), chance.between(3.0, 6.0));
    let (start, offset) = (chance.between(0.0, TAU), chance.between(0.0, TAU));
    let (high, low) = (chance.between(14.0, 34.0), chance.between(3.0, 9.0));
    let _ = write!(svg, "<path fill=\"{colour}\" d=\"M0 {HEIGHT}");
    for x in (0..=WIDTH).step_by(12) {
        let along = f64::from(x) / f64::from(WIDTH) * TAU;
        let y = level - high * (along * long + start).sin() - low * (along * short + offset).sin();
        let _ = write!(svg, "L{x} {y:.1}");
    }
    let _ = write!(svg, "V{HEIGHT}z\"/>");
}

/// A small generator (splitmix64): the same picture for the same number, for ever.
struct Chance(u64);

impl Chance {
    fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        low + (high - low) * unit
    }
}
