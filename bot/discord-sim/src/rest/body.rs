//! Request bodies: a JSON object, or a form with `payload_json` and files.
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::{ApiError, multipart};
use crate::world::Attachment;

/// The largest request that is read: Discord allows 10 MiB per file and a little around it.
const MAX_BODY: usize = 32 * 1024 * 1024;

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
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let bytes =
            axum::body::to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| ApiError::too_large())?;
        read(&content_type, &bytes)
    }
}

fn read(content_type: &str, bytes: &Bytes) -> Result<Body, ApiError> {
    let parse = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(ApiError::bad_json);
    let Some(boundary) = multipart::boundary(content_type) else {
        let json = if bytes.is_empty() { Value::Object(Map::new()) } else { parse(bytes)? };
        return Ok(Body { json, files: Vec::new() });
    };
    let mut body = Body { json: Value::Object(Map::new()), files: Vec::new() };
    for part in multipart::parts(bytes, boundary).map_err(ApiError::bad_json)? {
        if part.name == "payload_json" {
            body.json = parse(&part.data)?;
        } else if let Some(filename) = part.filename {
            let (content_type, data) = (part.content_type, part.data);
            body.files.push(Attachment { id: 0, filename, content_type, data });
        } else {
            // A form may also carry plain fields in place of payload_json.
            let text = String::from_utf8_lossy(&part.data).into_owned();
            if let Some(fields) = body.json.as_object_mut() {
                fields.insert(part.name, Value::String(text));
            }
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_whose_json_is_no_object_is_read_without_harm() {
        let form = "--X\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n[]\r\n--X\r\n\
            Content-Disposition: form-data; name=\"content\"\r\n\r\nhi\r\n--X--";
        let body = read("multipart/form-data; boundary=X", &Bytes::from_static(form.as_bytes())).unwrap();
        assert!(body.fields().is_empty());
        assert!(read("application/json", &Bytes::from_static(b"{")).is_err());
        assert!(read("", &Bytes::new()).unwrap().fields().is_empty());
    }
}
