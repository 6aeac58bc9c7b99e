//! Request bodies: a JSON object, a multipart form with `payload_json` and files, or a URL-encoded form.
//! <https://docs.discord.com/developers/reference#uploading-files>
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::ApiError;
use crate::world::Attachment;

/// The largest request that is read: Discord allows 10 MiB for a file and a little around it.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// The most parts that a form may have: Discord allows ten files.
const MAX_PARTS: usize = 32;

/// A request's JSON, and the files that came with it.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) json: Value,
    pub(crate) files: Vec<Attachment>,
}

impl Body {
    /// The JSON's fields; none when it is no object.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        self.json.as_object().cloned().unwrap_or_default()
    }

    fn empty() -> Self {
        Self { json: Value::Object(Map::new()), files: Vec::new() }
    }

    /// A plain field of a form: `payload_json` is the JSON itself, others are fields of it.
    fn insert(&mut self, name: &str, text: &str) -> Result<(), ApiError> {
        if name == "payload_json" {
            self.json = serde_json::from_str(text).map_err(ApiError::bad_json)?;
        } else if let Some(fields) = self.json.as_object_mut() {
            fields.insert(name.to_owned(), Value::String(text.to_owned()));
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| ApiError::too_large())?;
        read(&content_type, bytes).await
    }
}

async fn read(content_type: &str, bytes: Bytes) -> Result<Body, ApiError> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "multipart/form-data" => multipart(content_type, bytes).await,
        "application/x-www-form-urlencoded" => url_encoded(&bytes),
        _ if bytes.is_empty() => Ok(Body::empty()),
        _ => {
            let json = serde_json::from_slice(&bytes).map_err(ApiError::bad_json)?;
            Ok(Body { json, files: Vec::new() })
        }
    }
}

fn url_encoded(bytes: &[u8]) -> Result<Body, ApiError> {
    let mut body = Body::empty();
    for (name, text) in form_urlencoded::parse(bytes) {
        body.insert(&name, &text)?;
    }
    Ok(body)
}

async fn multipart(content_type: &str, bytes: Bytes) -> Result<Body, ApiError> {
    let boundary = multer::parse_boundary(content_type).map_err(ApiError::bad_json)?;
    let whole = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
    let mut form = multer::Multipart::new(whole, boundary);
    let mut body = Body::empty();
    let mut descriptions = Vec::new();
    for parts in 0.. {
        let Some(field) = form.next_field().await.map_err(ApiError::bad_json)? else { break };
        if parts == MAX_PARTS {
            return Err(ApiError::bad_json("there are too many parts"));
        }
        let name = field.name().ok_or_else(|| ApiError::bad_json("a part has no name"))?.to_owned();
        let filename = field.file_name().map(str::to_owned);
        let content_type = field.content_type().map(ToString::to_string);
        let data = field.bytes().await.map_err(ApiError::bad_json)?;
        match filename.filter(|_| name != "payload_json") {
            Some(filename) => {
                descriptions.push(name);
                body.files.push(Attachment { id: 0, filename, content_type, description: None, data });
            }
            None => body.insert(&name, &String::from_utf8_lossy(&data))?,
        }
    }
    for (file, part) in body.files.iter_mut().zip(&descriptions) {
        file.description = description(&body.json, part);
    }
    Ok(body)
}

/// The description that the JSON's `attachments` give the file in the part `files[n]`.
fn description(json: &Value, part: &str) -> Option<String> {
    let number = part.strip_prefix("files[")?.strip_suffix(']')?;
    let listed = json.get("attachments").or_else(|| json.pointer("/data/attachments"))?.as_array()?;
    let named = |file: &&Value| match &file["id"] {
        Value::String(id) => id == number,
        id => id.as_u64().is_some_and(|id| number.parse() == Ok(id)),
    };
    listed.iter().find(named)?["description"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--XX\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\
        Content-Type: application/json\r\n\r\n{\"content\":\"hi\",\"attachments\":[{\"id\":0,\"description\":\"noise\"}]}\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"a.bin\"\r\n\r\n\0\r\n--X\u{1}\r\n--XX--\r\n";
    const FORM_TYPE: &str = "multipart/form-data; boundary=\"XX\"";

    #[tokio::test]
    async fn a_form_with_a_file_is_split_byte_for_byte() {
        let body = read(FORM_TYPE, Bytes::from(FORM)).await.unwrap();
        assert_eq!(body.json["content"], "hi");
        let [file] = &body.files[..] else { panic!("{body:?}") };
        assert_eq!((&file.filename[..], file.description.as_deref()), ("a.bin", Some("noise")));
        assert_eq!(&file.data[..], b"\0\r\n--X\x01");
    }

    #[tokio::test]
    async fn a_form_cut_off_anywhere_is_refused() {
        let whole = FORM.len() - "--\r\n".len();
        for end in 0..whole {
            let cut = Bytes::from(FORM).slice(..end);
            assert!(read(FORM_TYPE, cut).await.is_err(), "cut at {end}");
        }
    }

    #[tokio::test]
    async fn a_url_encoded_form_carries_its_json_too() {
        let form = Bytes::from_static(
            b"payload_json=%7B%22type%22%3A4%2C%22data%22%3A%7B%22content%22%3A%22h+i%22%7D%7D",
        );
        let body = read("application/x-www-form-urlencoded", form).await.unwrap();
        assert_eq!(body.json, serde_json::json!({ "type": 4, "data": { "content": "h i" } }));
        let plain = Bytes::from_static(b"content=a%26b");
        let body = read("application/x-www-form-urlencoded; charset=utf-8", plain).await.unwrap();
        assert_eq!(body.json["content"], "a&b");
        let broken = Bytes::from_static(b"payload_json=%7B");
        assert!(read("application/x-www-form-urlencoded", broken).await.is_err());
    }

    #[tokio::test]
    async fn a_form_whose_json_is_no_object_does_no_harm() {
        let form = "--X\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n[]\r\n--X\r\n\
            Content-Disposition: form-data; name=\"content\"\r\n\r\nhi\r\n--X--";
        let body =
            read("multipart/form-data; boundary=X", Bytes::from_static(form.as_bytes())).await.unwrap();
        assert!(body.fields().is_empty());
        assert!(read("multipart/form-data", Bytes::from_static(b"{}")).await.is_err());
        assert!(read("application/json", Bytes::from_static(b"{")).await.is_err());
        assert!(read("", Bytes::new()).await.unwrap().fields().is_empty());
    }
}
