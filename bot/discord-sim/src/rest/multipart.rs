//! Reads `multipart/form-data` (RFC 7578), as libraries send it with files: `payload_json` and `files[n]`.
use bytes::Bytes;

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) filename: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) data: Bytes,
}

/// The most parts that a form may have: Discord allows ten files.
const MAX_PARTS: usize = 32;

/// The boundary that a `Content-Type` header names.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let mut fields = content_type.split(';');
    if !fields.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    fields.find_map(|field| {
        let (name, value) = field.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"'))
    })
}

/// Splits a form into its parts.
pub(crate) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Part>, &'static str> {
    let delimiter = format!("--{boundary}").into_bytes();
    let mut parts = Vec::new();
    let mut at = find(body, &delimiter, 0).ok_or("there is no boundary in the body")? + delimiter.len();
    loop {
        if body[at..].starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() == MAX_PARTS {
            return Err("there are too many parts");
        }
        let head = find(body, b"\r\n", at).ok_or("a boundary is cut off")? + 2;
        let head_end = find(body, b"\r\n\r\n", head.saturating_sub(2)).ok_or("a part has no body")?;
        let data = head_end + 4;
        let next = [b"\r\n".as_slice(), &delimiter].concat();
        let end = find(body, &next, data).ok_or("the last boundary is missing")?;
        let headers = body.get(head..head_end).unwrap_or_default();
        let headers = std::str::from_utf8(headers).map_err(|_| "a part's headers are not UTF-8")?;
        parts.push(part(headers, body.slice(data..end))?);
        at = end + next.len();
    }
}

fn part(headers: &str, data: Bytes) -> Result<Part, &'static str> {
    let mut part = Part { name: String::new(), filename: None, content_type: None, data };
    for line in headers.lines() {
        let Some((header, value)) = line.split_once(':') else { continue };
        match header.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                part.name = parameter(value, "name").unwrap_or_default();
                part.filename = parameter(value, "filename");
            }
            "content-type" => part.content_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    if part.name.is_empty() { Err("a part has no name") } else { Ok(part) }
}

/// A parameter of `Content-Disposition`, quoted or not.
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').find_map(|field| {
        let (key, value) = field.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"').to_owned())
    })
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    haystack.get(from..)?.windows(needle.len()).position(|window| window == needle).map(|at| at + from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--XX\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\
        Content-Type: application/json\r\n\r\n{\"content\":\"hi\"}\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"files[0]\"; filename=\"a.bin\"\r\n\r\n\0\r\n--X\u{1}\r\n--XX--\r\n";

    #[test]
    fn a_form_with_json_and_a_file_is_split_byte_for_byte() {
        let content_type = "multipart/form-data; boundary=\"XX\"";
        let body = Bytes::from(FORM);
        let parts = parts(&body, boundary(content_type).unwrap()).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].name, "payload_json");
        assert_eq!(&parts[0].data[..], b"{\"content\":\"hi\"}");
        assert_eq!(parts[1].filename.as_deref(), Some("a.bin"));
        assert_eq!(&parts[1].data[..], b"\0\r\n--X\x01");
    }

    #[test]
    fn a_form_cut_off_anywhere_is_refused_and_never_read_past_its_end() {
        let body = Bytes::from(FORM);
        let whole = body.len() - "--\r\n".len();
        for end in 0..whole {
            assert!(parts(&body.slice(..end), "XX").is_err(), "cut at {end}");
        }
    }

    #[test]
    fn other_content_types_have_no_boundary() {
        assert_eq!(boundary("application/json"), None);
        assert_eq!(boundary("multipart/form-data"), None);
    }
}
