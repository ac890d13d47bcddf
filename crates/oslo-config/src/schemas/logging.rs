//! The options of oslo.log. A few are honoured; the others are accepted, so that an existing file loads.

use crate::schema::{Kind, Opt, renamed};

const ELSEWHERE: &str = "messages go to standard error or to log_file, format them with use_json";
const ROTATION: &str = "log files are not rotated by the program, use logrotate or the journal";

const fn ignored(name: &'static str, why: &'static str) -> Opt {
    Opt::new(name, Kind::Text, "Accepted without effect.").ignored(why)
}

pub(super) const LOGGING: &[Opt] = &[
    Opt::new("debug", Kind::Boolean, "Log what happens in detail.").default("false"),
    Opt::new(
        "log_file",
        Kind::Path,
        "File to append messages to; a relative name lies in log_dir. Without it messages go to standard error.",
    )
    .deprecated(&[renamed("logfile")]),
    Opt::new("log_dir", Kind::Path, "Directory of log_file.").deprecated(&[renamed("logdir")]),
    Opt::new("use_stderr", Kind::Boolean, "Log to standard error in addition to log_file.").default("false"),
    Opt::new("use_json", Kind::Boolean, "Log one JSON object per line.").default("false"),
    ignored("log_config_append", ELSEWHERE).deprecated(&[renamed("log_config")]),
    ignored("log_date_format", ELSEWHERE),
    ignored("log_color", ELSEWHERE),
    ignored("use_syslog", ELSEWHERE),
    ignored("use_journal", ELSEWHERE),
    ignored("use_eventlog", ELSEWHERE),
    ignored("syslog_log_facility", ELSEWHERE),
    ignored("watch_log_file", ROTATION),
    ignored("log_rotate_interval", ROTATION),
    ignored("log_rotate_interval_type", ROTATION),
    ignored("max_logfile_count", ROTATION),
    ignored("max_logfile_size_mb", ROTATION),
    ignored("log_rotation_type", ROTATION),
    ignored("logging_context_format_string", ELSEWHERE),
    ignored("logging_default_format_string", ELSEWHERE),
    ignored("logging_debug_format_suffix", ELSEWHERE),
    ignored("logging_exception_prefix", ELSEWHERE),
    ignored("logging_user_identity_format", ELSEWHERE),
    ignored("default_log_levels", "set debug instead"),
    ignored("publish_errors", ELSEWHERE),
    ignored("instance_format", ELSEWHERE),
    ignored("instance_uuid_format", ELSEWHERE),
    ignored("rate_limit_interval", "messages are not limited"),
    ignored("rate_limit_burst", "messages are not limited"),
    ignored("rate_limit_except_level", "messages are not limited"),
    ignored("fatal_deprecations", "deprecated names are warnings"),
];
