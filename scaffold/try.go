package scaffold

import (
	"errors"
	"fmt"
)

// Try renders a template for a service that calls and uses nothing, and for one that calls and uses a bit of
// everything, with a value for each parameter that has no default where one can be guessed.
func Try(t *Template) error {
	params := map[string]string{}
	for _, p := range t.Params {
		if p.Default == "" {
			if p.Accepts("example") != nil {
				return fmt.Errorf("%s has no default, and example is not one", p.Name)
			}
			params[p.Name] = "example"
		}
	}
	plain := Values{Service: "example", Path: "services/example", Stack: "shop", Module: "example.com/shop", Kit: "services/kit", Params: params}
	full := plain
	full.Calls = []Call{{"users", "http"}, {"payments", "grpc"}}
	full.Uses = []Use{{Name: "example-db", Kind: "postgres"}, {Name: "broker", Kind: "rabbitmq"}, {Name: "cache", Kind: "redis"}}
	if len(t.Events.Needs) > 0 {
		full.Publishes, full.Consumes = []Event{{"example.made"}}, []Event{{"order.confirmed"}, {"user.*"}}
		full.Others = []Published{{"users", "user.updated"}, {"other-orders", "order.confirmed"}}
	}
	_, err := Render(t, full)
	if len(t.Needs) > 0 {
		return err
	}
	_, alone := Render(t, plain)
	return errors.Join(err, alone)
}
