//! The score by which the kernel chooses whom to end when memory runs out.

use super::Server;
use crate::config::OomScoreAdj;
use crate::util::oom_score::Wanted;
use crate::util::platform;

/// Writes the score of the server to the kernel.
pub fn oom_score(server: &mut Server) -> Result<(), String> {
    let [primary, replica, _] = server.config.oom_score_adj_values;
    let score = if server.is_replica() { replica } else { primary };
    let wanted = match server.config.oom_score_adj {
        OomScoreAdj::No => Wanted::Original,
        OomScoreAdj::Relative => Wanted::Relative(score),
        OomScoreAdj::Absolute => Wanted::Absolute(score),
    };
    server.oom_score.set(wanted).map_err(|error| {
        log::warn!("Unable to write oom_score_adj: {}", platform::os_error_text(&error));
        "Failed to set current oom_score_adj. Check server logs.".to_owned()
    })
}
