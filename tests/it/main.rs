//! The program as a whole: the real binary with real sockets and signals, and scripted servers.

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod api;
mod bounds;
mod check;
mod client;
mod compression;
mod data;
mod dialects;
mod docs;
mod examples;
mod exit_status;
mod exports;
mod files;
mod foreign_text;
mod hangup;
mod idle;
mod layering;
mod listen;
mod lost_connections;
mod messages;
mod notify;
mod on_alert;
mod read;
mod recipes;
mod reconnection;
mod recorded;
mod refusals;
mod rules;
mod self_test;
mod servers;
mod several;
mod signals;
mod state;
mod statistics;
mod streams;
mod sysmedic;
mod table;
mod textfile;
mod usage;
