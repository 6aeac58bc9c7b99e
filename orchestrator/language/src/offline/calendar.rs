//! Time, day and date.
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan, ZonedDateTime};

use super::question::Question;

pub(super) fn reply(q: &Question<'_>, zone: &TimeZone) -> Option<String> {
    let asks =
        q.has_any(&["what", "what's", "which", "tell", "when", "is", "give", "know"]) || q.words.len() <= 3;
    if !asks {
        return None;
    }
    let (offset, when) = if q.has_any(&["tomorrow", "tomorrow's"]) {
        (1, "Tomorrow")
    } else if q.has_any(&["yesterday", "yesterday's"]) {
        (-1, "Yesterday")
    } else {
        (0, "Today")
    };
    let about_time =
        q.has_any_phrase(&["time is it", "the time", "what time", "time it is", "current time", "the clock"])
            || (q.has("o'clock"));
    let about_date = q.has_any(&["date", "date's", "month"]) || q.has_any_phrase(&["day of the month"]);
    let about_day = q.has_any_phrase(&[
        "what day",
        "which day",
        "what's the day",
        "day is it",
        "day of the week",
        "day it is",
        "weekday",
        "day today",
        "the day",
        "day tomorrow",
        "is today",
        "is tomorrow",
        "day was",
    ]);
    let about_year = q.has_any_phrase(&["what year", "which year", "year is it", "the year"]);
    if !(about_time || about_date || about_day || about_year) {
        return None;
    }
    let now = now(q, zone)?;
    if about_time && offset == 0 {
        let clock = now.strftime("%-I:%M %p").to_string();
        let zone = now.strftime("%Z").to_string();
        return Some(q.either(&format!("{clock}."), &format!("It is {clock}, by {zone}.")));
    }
    let date = now.date().checked_add(offset.days()).ok()?;
    let weekday = date.strftime("%A").to_string();
    let written = written(date);
    let is = if offset < 0 { "was" } else { "is" };
    if about_year {
        return Some(q.either(&format!("{}.", date.year()), &format!("It is the year {}.", date.year())));
    }
    if about_day && !about_date {
        let whole = if offset == 0 {
            format!("Today is {weekday}.")
        } else {
            format!("{when} {is} {weekday}, the {written}.")
        };
        return Some(q.either(&format!("{weekday}."), &whole));
    }
    Some(q.either(&format!("The {written}."), &format!("{when} {is} {weekday}, the {written}.")))
}

fn now(q: &Question<'_>, zone: &TimeZone) -> Option<ZonedDateTime> {
    let micros = i64::try_from(q.at.0).ok()?;
    Some(jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned_datetime(zone.clone()))
}

fn written(date: Date) -> String {
    let day = date.day();
    let ending = match (day % 100, day % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{day}{ending} of {} {}", date.strftime("%B"), date.year())
}
