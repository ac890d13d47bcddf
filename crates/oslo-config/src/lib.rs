//! The INI dialect of oslo.config: kuryr.conf and fuxi.conf into typed settings.
