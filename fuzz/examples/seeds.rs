//! Writes good input for every target into `fuzz/seeds/<target>/`, for the fuzzer to begin from.
fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let seeds = entries::bundle::seeds().into_iter().chain(entries::mirror::seeds());
    for (target, seeds) in seeds.chain(entries::redis::seeds()).chain(entries::reply::seeds()) {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder)?;
        for (n, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("good-{n}")), seed)?;
        }
    }
    Ok(())
}
