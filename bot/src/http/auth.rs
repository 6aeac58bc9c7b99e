//! The bearer token of `/debug`. Compared in constant time over SHA-256 digests, so that neither content nor length
//! shows.
use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::settings::Secret;

/// Whether a request may pass, and what to say when not.
pub(super) fn check(headers: &HeaderMap, token: Option<&Secret>) -> Result<(), (StatusCode, &'static str)> {
    let Some(token) = token else {
        return Err((StatusCode::FORBIDDEN, "closed: set ANTIPHON_ADMIN_TOKEN to open it\n"));
    };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let same = Sha256::digest(given).ct_eq(&Sha256::digest(token.reveal()));
    if bool::from(same) { Ok(()) } else { Err((StatusCode::UNAUTHORIZED, "wrong or missing bearer token\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_token_passes() {
        let token = Secret::new("right");
        let mut headers = HeaderMap::new();
        assert_eq!(check(&headers, Some(&token)).unwrap_err().0, StatusCode::UNAUTHORIZED);
        headers.insert(header::AUTHORIZATION, "Bearer wrong".parse().unwrap());
        assert_eq!(check(&headers, Some(&token)).unwrap_err().0, StatusCode::UNAUTHORIZED);
        headers.insert(header::AUTHORIZATION, "Bearer right".parse().unwrap());
        assert!(check(&headers, Some(&token)).is_ok());
        assert_eq!(check(&headers, None).unwrap_err().0, StatusCode::FORBIDDEN);
    }
}
