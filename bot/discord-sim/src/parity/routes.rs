//! The routes that Discord documents.

/// A route that Discord documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Documented {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
}

/// One route a line, `METHOD /path/{parameter}`, from Discord's API reference, version 10.
const ROUTES: &str = include_str!("routes.txt");

/// Every route that Discord documents.
pub(crate) fn documented() -> impl Iterator<Item = Documented> {
    ROUTES.lines().filter_map(|line| {
        let (method, path) = line.split_once(' ')?;
        Some(Documented { method, path })
    })
}

/// Whether a route of the simulation is the one that Discord documents, whatever its parameters are called.
pub(crate) fn is_same_route(method: &str, path: &str, documented: &Documented) -> bool {
    let is_parameter = |segment: &str| segment.starts_with('{');
    let mut theirs = documented.path.split('/');
    let mut ours = path.split('/');
    let same = |(ours, theirs): (&str, &str)| {
        // `@original` is documented apart from the other messages of an interaction.
        ours == theirs || (is_parameter(ours) && (is_parameter(theirs) || theirs == "@original"))
    };
    method == documented.method
        && path.split('/').count() == documented.path.split('/').count()
        && ours.by_ref().zip(theirs.by_ref()).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_segment_is_no_parameter() {
        let search = Documented { method: "GET", path: "/guilds/{guild}/members/search" };
        assert!(!is_same_route("GET", "/guilds/{id}/members/{user}", &search));
        let member = Documented { method: "GET", path: "/guilds/{guild}/members/{user}" };
        assert!(is_same_route("GET", "/guilds/{id}/members/{member}", &member));
        assert!(!is_same_route("PATCH", "/guilds/{id}/members/{member}", &member));
    }

    #[test]
    fn every_line_of_the_list_is_a_route() {
        assert_eq!(documented().count(), ROUTES.lines().count());
        assert!(documented().all(|route| route.path.starts_with('/')));
    }
}
