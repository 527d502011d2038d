package proxy

import (
	"time"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// workMost is how long a message counts as worked on. One that is never acknowledged says nothing of what
// its consumer does later.
const workMost = time.Minute

// job is a message that the caller was given and has not acknowledged. Like a request that it serves it is
// what its calls are made for.
type job struct {
	flight
	start  time.Time
	parent [8]byte // the producer's span
}

// works brings what the caller works on up to date.
func (w *watch) works(now sniff.Work) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.job != nil && (now.N == 0 || !w.job.start.Equal(now.Start)) {
		w.job.remove()
		w.job = nil
	}
	if now.N > 0 && w.job == nil {
		w.job = newJob(now)
		w.e.Caller.add(&w.job.flight)
	}
	if crowd := w.more.on != nil; crowd && now.N < 2 {
		w.more.remove()
	} else if !crowd && now.N > 1 {
		w.e.Caller.add(&w.more)
	}
}

func newJob(of sniff.Work) *job {
	o, ok := parseTraceparent([]byte(of.TraceParent))
	if !ok {
		o = origin{trace: newTrace(), sampled: true}
	}
	return &job{flight: flight{trace: o.trace, span: newSpan(), sampled: o.sampled}, start: of.Start, parent: o.parent}
}

// done reports that x ends the job, and makes c its span: the parent of what was done meanwhile.
func (w *watch) done(x sniff.Exchange, c *Call) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.job == nil || x.Kind != sniff.Consumer || !w.job.start.Equal(x.Start) {
		return false
	}
	if o, ok := parseTraceparent([]byte(x.TraceParent)); ok && (o.trace != w.job.trace || o.parent != w.job.parent) {
		return false // it came together with the job
	}
	c.Trace, c.Span, c.Parent, c.Sampled = w.job.trace, w.job.span, w.job.parent, w.job.sampled
	w.job.remove()
	w.job = nil
	return true
}
