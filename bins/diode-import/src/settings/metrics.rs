//! Whether metrics are served, where, and by what names.

use super::forms;
use super::model::MetricsSettings;
use super::network;
use super::reader::Reader;
use super::table;

/// The metrics that are served, if they are.
///
/// Everything is read, whether they are or not, so that a wrong value does not hide.
pub(super) fn metrics(reader: &mut Reader) -> Option<MetricsSettings> {
    let on = reader.required(&table::CONNECTOR_EXPOSE_METRICS, forms::boolean);
    let port = reader.required(&table::CONNECTOR_METRICS_PORT, forms::port);
    let address = reader.required(&table::DIODE_IMPORT_METRICS_ADDRESS, network::address);
    let prefix = prefix(reader);
    if on != Some(true) {
        return None;
    }
    Some(MetricsSettings {
        address: address?,
        port: port?,
        prefix,
    })
}

/// What all names begin with.
fn prefix(reader: &mut Reader) -> Option<String> {
    let mut parts = Vec::new();
    for setting in [
        &table::CONNECTOR_METRICS_NAMESPACE,
        &table::CONNECTOR_METRICS_SUBSYSTEM,
    ] {
        let Some(part) = reader.optional(setting, forms::part_of_metric) else {
            continue;
        };
        if parts.is_empty() && part.starts_with(|first: char| first.is_ascii_digit()) {
            let what = "begins with a digit, which no metric's name does";
            reader.refuse(setting, what, "begin it with a letter");
        }
        parts.push(part);
    }
    (!parts.is_empty()).then(|| parts.join("_"))
}
