//! fvis
