package verify

// Failed is the report of a provider of which nothing could be asked.
func (t *Target) Failed(err error) Report {
	r := Report{Provider: t.Name, Failure: err.Error()}
	w := t.sort(&r)
	for _, at := range w.place {
		r.Results[at].Outcome, r.Results[at].Reason = Failed, err.Error()
	}
	return r
}
