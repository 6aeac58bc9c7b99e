//! Runs one command, for a connection, a transaction or a script.

use bytes::Bytes;

use crate::commands::answer::{Abort, Answer, Caller, OUT_OF_MEMORY};
use crate::commands::call::{Call, Catalog};
use crate::commands::entry::Command;
use crate::commands::table;
use crate::spec::Spec;
use crate::store::ids::ClientId;
use crate::store::state::State;

static CATALOG: Catalog = Catalog {
    all: || table::all().map(|(family, command)| (family, &command.spec)).collect(),
    find: |name| table::find(name).map(|command| &command.spec),
    run: |state, spec, client, db, args, caller| match table::find(spec.name.as_bytes()) {
        Some(command) => run(state, command, client, db, args, caller),
        None => Err(Abort::error("ERR unknown command")),
    },
};

/// Runs a command whose name and length are already checked.
pub(super) fn run(
    state: &mut State,
    command: &'static Command,
    client: ClientId,
    db: usize,
    args: &[Bytes],
    caller: Caller,
) -> Answer {
    let spec = &command.spec;
    // A command that runs again was counted when it came.
    if caller != Caller::Woken {
        if spec.takes_memory() {
            let allowed = matches!(caller, Caller::Script { without_memory: true, .. });
            if !allowed && state.is_full() {
                state.stats.command(spec.name).rejected += 1;
                return Err(Abort::error(OUT_OF_MEMORY));
            }
            state.memory.grown += args.iter().map(|arg| arg.len() as u64 + 64).sum::<u64>();
        } else if spec.has(Spec::WRITE) {
            state.memory.freed = true;
        }
        if !spec.has(Spec::ADMIN) {
            let shown_as = (!matches!(caller, Caller::Script { .. })).then_some(client);
            state.show(shown_as, db, args);
        }
    }
    let result = (command.run)(&mut Call { store: state, catalog: &CATALOG, spec, client, db, args, caller });
    if caller != Caller::Woken {
        let counted = state.stats.command(spec.name);
        counted.calls += 1;
        counted.failed += u64::from(matches!(result, Err(Abort::Error(_))));
        if result.is_ok() {
            state.has_read(client, spec, args);
        }
    }
    result
}
