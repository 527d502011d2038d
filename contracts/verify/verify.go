package verify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/broker"
)

// Verifier compares, by running the helper.
type Verifier struct {
	Helper  string        // program that [Builder.Build] made
	Env     []string      // where it finds the library
	Timeout time.Duration // for one request, call or message; 0 means 5 s
}

// defaultTimeout bounds how long a provider may take for one interaction.
const defaultTimeout = 5 * time.Second

// Run verifies one provider. It returns when everything that it started has ended. What is wrong is told
// in the report.
func (v Verifier) Run(ctx context.Context, t *Target) Report {
	begun := time.Now()
	v.Timeout = cmp.Or(v.Timeout, defaultTimeout)
	r := Report{Provider: t.Name}
	work := t.sort(&r)
	if len(work.list) > 0 {
		if err := v.run(ctx, t, work, &r); err != nil {
			r.Failure = err.Error()
		}
	}
	r.Took = time.Since(begun)
	return r
}

// work is what the verifier is asked about one provider.
type work struct {
	pacts []contracts.Pact // with what can be asked only
	list  map[string]one
	kinds map[contracts.Kind]bool
	place map[string]int    // of the result in the report, by id
	named map[string]string // id by what the verifier calls it
}

// sort makes a result for each interaction, and puts aside those that cannot be asked.
func (t *Target) sort(r *Report) work {
	w := work{list: map[string]one{}, kinds: map[contracts.Kind]bool{}, place: map[string]int{}, named: map[string]string{}}
	for _, p := range t.Pacts {
		asked := p
		asked.Interactions = nil
		for _, i := range p.Interactions {
			res := Result{Consumer: p.Consumer, Provider: p.Provider, Interaction: i.Title(), ID: i.ID(), Kind: i.Kind}
			if res.Reason, res.Hint = t.cannot(i); res.Reason != "" {
				res.Outcome = Unknown
			} else {
				id := p.Consumer + "/" + res.ID
				w.list[id] = one{id, p.Consumer, i}
				w.kinds[i.Kind] = true
				w.place[id] = len(r.Results)
				asked.Interactions = append(asked.Interactions, i)
			}
			r.Results = append(r.Results, res)
		}
		if len(asked.Interactions) > 0 {
			w.pacts = append(w.pacts, asked)
		}
	}
	return w
}

func (v Verifier) run(ctx context.Context, t *Target, w work, r *Report) (err error) {
	defer func() {
		for i := range r.Results {
			if r.Results[i].Outcome == "" {
				r.Results[i].Outcome, r.Results[i].Reason = Failed, "not asked"
				if err != nil {
					r.Results[i].Reason = err.Error()
				}
			}
		}
	}()
	if err := t.probe(ctx, w.kinds); err != nil {
		return err
	}
	b := &bridge{turns: &turns{target: t, list: w.list, timeout: v.Timeout}, caller: caller{addr: t.GRPC}, word: secret()}
	defer b.caller.close()
	var mu sync.Mutex // guards got
	var got []broker.Result
	var s servers
	defer s.close()
	p, err := v.plan(&s, t, b, w, func(one broker.Result) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, one)
	})
	if err != nil {
		return err
	}
	said, err := v.helper(ctx, p, len(w.list))
	mu.Lock()
	defer mu.Unlock()
	for _, one := range got {
		w.take(one, r)
	}
	w.blame(b.turns, r)
	r.follow()
	if err != nil {
		return err
	}
	return w.complete(said, r)
}

// plan opens what the helper needs and says where it is.
func (v Verifier) plan(s *servers, t *Target, b *bridge, w work, verified func(broker.Result)) (plan, error) {
	p := plan{Provider: t.Name, Version: "msctl", BrokerToken: secret(), Timeout: 2*v.Timeout + 2*actionTime}
	store := &broker.Memory{}
	for _, each := range w.pacts {
		made, err := broker.Publish(store, each.Consumer, each.Provider, "local", "", told(each), time.Now())
		if err != nil {
			return p, err
		}
		for n, i := range each.Interactions {
			w.named[broker.InteractionID(made.Hash, n)] = each.Consumer + "/" + i.ID()
		}
	}
	api := &broker.Broker{Store: store, Token: p.BrokerToken, Verified: verified}
	port, err := s.serve(api.Handler())
	if err != nil {
		return p, fmt.Errorf("serve pacts: %w", err)
	}
	p.BrokerURL = fmt.Sprintf("http://127.0.0.1:%d", port)
	if port, err = s.serve(b.handler()); err != nil {
		return p, fmt.Errorf("serve states: %w", err)
	}
	p.StateURL = fmt.Sprintf("http://127.0.0.1:%d/%s/state", port, b.word)
	p.MessagePort, p.MessagePath = port, "/"+b.word+"/message"
	to := &url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	if t.URL != "" {
		if to, err = url.Parse(t.URL); err != nil {
			return p, fmt.Errorf("read the address of %s: %w", t.Name, err)
		}
	}
	if port, err = s.serve(b.forward(to)); err != nil {
		return p, fmt.Errorf("serve %s: %w", t.Name, err)
	}
	p.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	return p, ready(p)
}

// ready asks the broker once, for a verifier that cannot reach it says so only after two minutes.
func ready(p plan) error {
	req, err := http.NewRequest(http.MethodGet, p.BrokerURL+"/", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.BrokerToken)
	resp, err := direct.Do(req)
	if err != nil {
		return fmt.Errorf("reach the own broker: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("reach the own broker: %s", resp.Status)
	}
	return nil
}

// told is a pact as the verifier gets it: before the states of each interaction, whose turn it is.
func told(p contracts.Pact) []byte {
	doc := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(p.Canonical()))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		panic(fmt.Sprintf("pact %s is no JSON: %v", p.Edge(), err)) // it was when it was written
	}
	list, _ := doc["interactions"].([]any)
	for n, each := range list {
		i := each.(map[string]any)
		turn := map[string]any{"name": turnState, "params": map[string]any{"id": p.Consumer + "/" + p.Interactions[n].ID()}}
		states, _ := i["providerStates"].([]any)
		i["providerStates"] = append([]any{turn}, states...)
	}
	out, err := json.Marshal(doc)
	if err != nil {
		panic(fmt.Sprintf("pact %s is no JSON: %v", p.Edge(), err))
	}
	return out
}

// complete refuses a verification that has said nothing of an interaction.
func (w work) complete(said string, r *Report) error {
	for _, at := range w.place {
		if r.Results[at].Outcome == "" {
			return errors.New("the verifier ended without a result: " + said)
		}
	}
	return nil
}
