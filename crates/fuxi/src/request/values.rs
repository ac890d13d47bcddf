//! The values of `-o`.

use uuid::Uuid;

/// The largest size Cinder and Manila store, in GiB.
const LARGEST: u64 = i32::MAX as u64;

type Parsed<T> = std::result::Result<T, String>;

/// `10`, `10G`, `10GB`, `10GiB`: all are GiB, as in Cinder and Manila.
pub(crate) fn size(text: &str) -> Parsed<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "g" | "gb" | "gib" => 1,
        "t" | "tb" | "tib" => 1024,
        _ => return Err("give whole GiB, such as 10, 10G or 10GiB".into()),
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)) {
        Some(0) => Err("a volume has at least 1 GiB".into()),
        Some(gib) if gib <= LARGEST => Ok(gib),
        Some(_) => Err(format!("at most {LARGEST} GiB can be asked for")),
        None if number.is_empty() => Err("give whole GiB, such as 10, 10G or 10GiB".into()),
        None => Err(format!("at most {LARGEST} GiB can be asked for")),
    }
}

pub(super) fn text(text: &str) -> Parsed<String> {
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        return Err("use 1 to 255 printable characters".into());
    }
    Ok(text.to_owned())
}

pub(super) fn id(text: &str, list: &str) -> Parsed<String> {
    Uuid::try_parse(text)
        .map(|u| u.hyphenated().to_string())
        .map_err(|_| format!("it is no UUID; openstack {list} list shows them"))
}

/// Ids, comma-separated, as they are kept.
pub(super) fn ids(text: &str) -> Parsed<String> {
    text.split(',').map(|one| id(one.trim(), "volume")).collect::<Parsed<Vec<_>>>().map(|ids| ids.join(","))
}

/// As OpenStack reads them; `-o ro` alone is yes.
pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "" | "1" | "t" | "true" | "y" | "yes" | "on" => Ok(true),
        "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
        _ => Err("use true or false".into()),
    }
}

/// A user or group id. Names mean different ids in each image, so they are none.
pub(super) fn number(text: &str) -> Parsed<u32> {
    // The last means "leave it" to the kernel.
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|n| plain && *n != u32::MAX)
        .ok_or_else(|| "give the number, such as 1000".into())
}

/// Octal permission bits.
pub(super) fn mode(text: &str) -> Parsed<u32> {
    let octal = (3..=5).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|m| octal && *m <= 0o7777)
        .ok_or_else(|| "give octal digits, such as 0750".into())
}

/// One directory below the volume's root; `/` is the root itself.
pub(super) fn subdirectory(text: &str) -> Parsed<String> {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() && text.starts_with('/') {
        return Ok("/".to_owned());
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let fits =
        (1..=100).contains(&trimmed.len()) && !trimmed.starts_with(['.', '-']) && trimmed.bytes().all(plain);
    if fits {
        Ok(trimmed.to_owned())
    } else {
        Err("give one directory's name, such as data, or / for the whole volume".into())
    }
}
