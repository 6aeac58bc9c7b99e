//! Message components. <https://docs.discord.com/developers/components/reference>
use std::collections::BTreeSet;

use serde_json::{Value, json};

/// A button's component type.
pub(crate) const BUTTON: u64 = 2;

/// Gives each component an `id`, counting up where the sender left it out; 0 counts as left out.
pub(crate) fn number(components: &mut [Value]) {
    let mut taken = BTreeSet::new();
    for component in components.iter() {
        collect(component, &mut taken);
    }
    let mut next = 1;
    for component in components {
        assign(component, &taken, &mut next);
    }
}

fn given(component: &Value) -> Option<u64> {
    component["id"].as_u64().filter(|id| *id != 0)
}

fn collect(component: &Value, taken: &mut BTreeSet<u64>) {
    taken.extend(given(component));
    for child in children(component) {
        collect(child, taken);
    }
}

fn assign(component: &mut Value, taken: &BTreeSet<u64>, next: &mut u64) {
    if component.is_object() && given(component).is_none() {
        while taken.contains(next) {
            *next += 1;
        }
        component["id"] = json!(*next);
        *next += 1;
    }
    if let Some(fields) = component.as_object_mut() {
        for (_, child) in fields.iter_mut().filter(|(name, _)| CHILDREN.contains(&name.as_str())) {
            match child {
                Value::Array(children) => children.iter_mut().for_each(|child| assign(child, taken, next)),
                child => assign(child, taken, next),
            }
        }
    }
}

/// Where components stand within others.
const CHILDREN: [&str; 3] = ["accessory", "component", "components"];

fn children(component: &Value) -> impl Iterator<Item = &Value> {
    CHILDREN.iter().filter_map(|name| component.get(name)).flat_map(|child| match child {
        Value::Array(children) => children.iter().collect::<Vec<_>>(),
        Value::Object(_) => vec![child],
        _ => Vec::new(),
    })
}

/// The component with a custom id, at any depth.
pub(crate) fn find<'a>(components: &'a [Value], custom_id: &str) -> Option<&'a Value> {
    components.iter().find_map(|component| find_in(component, custom_id))
}

fn find_in<'a>(component: &'a Value, custom_id: &str) -> Option<&'a Value> {
    if component["custom_id"] == custom_id {
        return Some(component);
    }
    children(component).find_map(|child| find_in(child, custom_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Vec<Value> {
        vec![
            json!({ "type": 1, "components": [
                { "type": 2, "custom_id": "a" }, { "type": 2, "custom_id": "b", "id": 2 }, { "type": 2, "id": 0 }] }),
            json!({ "type": 9, "components": [{ "type": 10 }], "accessory": { "type": 2, "custom_id": "c" } }),
        ]
    }

    #[test]
    fn components_without_an_id_are_counted_up() {
        let mut components = row();
        number(&mut components);
        let ids = |at: &str| components.iter().map(|c| c.pointer(at).cloned()).collect::<Vec<_>>();
        assert_eq!(ids("/id"), [Some(json!(1)), Some(json!(5))]);
        let buttons: Vec<&Value> = children(&components[0]).map(|button| &button["id"]).collect();
        assert_eq!(buttons, [&json!(3), &json!(2), &json!(4)]);
        let mut all = BTreeSet::new();
        components.iter().for_each(|component| collect(component, &mut all));
        assert_eq!(all, (1..=7).collect());
    }

    #[test]
    fn a_component_is_found_at_any_depth() {
        assert_eq!(find(&row(), "c").unwrap()["type"], BUTTON);
        assert!(find(&row(), "d").is_none());
    }
}
