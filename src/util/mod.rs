//! Small tools that know nothing of Redis commands.
