//! What is answered to DNS questions: bytes in, bytes out.
