package verify

// Failed is the report of a provider of which nothing could be asked.
func (t *Target) Failed(err error) Report {
	r := Report{Provider: t.Name, Failure: err.Error()}
	for _, p := range t.Pacts {
		for _, i := range p.Interactions {
			r.Results = append(r.Results, Result{Consumer: p.Consumer, Provider: p.Provider, Interaction: i.Title(), ID: i.ID(),
				Kind: i.Kind, Outcome: Failed, Reason: err.Error()})
		}
	}
	return r
}
