package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"msctl.dev/msctl/contracts"
)

// turnState is the state that is put before the others of every interaction that the verifier is given: by
// it one knows whose turn it is.
const turnState = "msctl: turn"

// one is an interaction that is verified.
type one struct {
	id       string // by which the results name it
	consumer string
	contracts.Interaction
}

// turns follows the verifier from one interaction to the next, and keeps what went wrong with the machinery
// in each.
type turns struct {
	target  *Target
	list    map[string]one
	timeout time.Duration // of one interaction

	mu     sync.Mutex // guards what follows
	at     one
	params params
	undo   []Action
	failed map[string]error // by id
	wrong  map[string]error // by id: what the provider itself is to be blamed for
	hangs  int
	dead   error // the provider is given up
}

// maxHangs is after how many requests without an answer a provider is given up.
const maxHangs = 2

// begin starts the turn of an interaction.
func (t *turns) begin(ctx context.Context, id string) error {
	next, known := t.list[id]
	if !known {
		return fmt.Errorf("there is no interaction %q", id)
	}
	t.mu.Lock()
	t.at, t.params, t.undo = next, params{}, nil
	dead := t.dead
	t.mu.Unlock()
	if dead != nil {
		return t.fail(fmt.Errorf("not asked any more: %w", dead))
	}
	return t.fail(t.target.do(ctx, t.target.States.Reset, params{}))
}

// set puts the provider into one state and returns the parameters.
func (t *turns) set(ctx context.Context, name string, given map[string]any) (params, error) {
	st, known := t.target.States.States[name]
	if !known {
		return nil, t.fail(fmt.Errorf("nobody says how to set the state %q", name))
	}
	own := params{}
	maps.Copy(own, st.Params)
	maps.Copy(own, given)
	t.mu.Lock()
	maps.Copy(t.params, own)
	t.undo = append(st.Undo[:len(st.Undo):len(st.Undo)], t.undo...)
	err := t.failed[t.at.id]
	t.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := t.target.do(ctx, st.Set, own); err != nil {
		return nil, t.fail(fmt.Errorf("set state %q: %w", name, err))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.Copy(t.params, own) // with what it took from answers
	return own, nil
}

// end undoes what the turn's states did.
func (t *turns) end(ctx context.Context) error {
	t.mu.Lock()
	undo, p := t.undo, t.params
	t.undo = nil
	t.mu.Unlock()
	if err := t.target.do(ctx, undo, p); err != nil {
		return t.fail(fmt.Errorf("undo a state: %w", err))
	}
	return nil
}

// fail notes what went wrong in the turn, and gives it back. The first is kept.
func (t *turns) fail(err error) error {
	if err == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = map[string]error{}
	}
	if t.failed[t.at.id] == nil {
		t.failed[t.at.id] = err
	}
	return err
}

// blame notes that the provider cannot do what the turn asks, and gives it back.
func (t *turns) blame(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wrong == nil {
		t.wrong = map[string]error{}
	}
	t.wrong[t.at.id] = err
	return err
}

// fault returns what the provider is to be blamed for in one interaction, or nil.
func (t *turns) fault(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrong[id]
}

// lost notes that the provider did not answer. One that refuses connections is given up at once, one that
// hangs after a second time.
func (t *turns) lost(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%s does not answer within %v", t.target.Name, t.timeout)
	} else {
		err = fmt.Errorf("%s does not answer: %w", t.target.Name, err)
	}
	gone := t.target.probe(ctx, map[contracts.Kind]bool{t.current().Kind: true}) != nil
	t.mu.Lock()
	t.hangs++
	if gone || t.hangs >= maxHangs {
		t.dead = err
	}
	t.mu.Unlock()
	return t.fail(err)
}

func (t *turns) current() one {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at
}

// why returns what went wrong with the machinery in one interaction, or nil.
func (t *turns) why(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed[id]
}

// here returns the parameters of the turn.
func (t *turns) here() (one, params) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at, maps.Clone(t.params)
}
