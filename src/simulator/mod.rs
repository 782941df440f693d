//! A faithful Paperspace API to develop and test against.
