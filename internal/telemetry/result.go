package telemetry

// Result says what became of the spans, records or points of one export request.
type Result struct {
	Accepted int64
	Rejected int64  // dropped because they were malformed or beyond a limit; need not be sent again
	Err      string // why the rejected ones were; "" none were
}
