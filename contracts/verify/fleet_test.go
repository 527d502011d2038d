package verify

import (
	"testing"

	"msctl.dev/msctl/contracts"
)

// TestFleetIsDescribed finds every state and every message that the reference fleet's pacts name in the
// states of their provider.
func TestFleetIsDescribed(t *testing.T) {
	pacts, err := contracts.Load("../pacts")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pacts {
		states, err := LoadStates("../states", p.Provider)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range p.Interactions {
			if missing := states.missing(i); len(missing) > 0 {
				t.Errorf("%s, %s: %s", p.Edge(), i.Title(), states.stubOf(missing))
			}
			if _, said := states.Messages[i.Description]; i.Kind == contracts.Message && !said {
				t.Errorf("%s, %s: %s", p.Edge(), i.Title(), states.triggerStub(i.Description))
			}
		}
	}
}
