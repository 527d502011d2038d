package stack

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const weighted = `version: 1
name: shop
resources:
  db: {type: postgres}
  bus: {type: nats}
services:
  gateway: {command: gateway, listen: {http: "8080:auto"}, calls: {orders: http, users: {mesh: off}}}
  orders:
    command: orders
    listen: {http: auto}
    weights: {orders: 90, orders-next: 10}
    uses: {db: {mesh: off}, bus: }
  orders-next: {command: orders, listen: {http: auto}}
  users: {command: users, listen: {http: auto}}
`

// TestWeights: a service that takes a share of another's calls is needed by its callers, and drawn.
func TestWeights(t *testing.T) {
	st, err := loadText(t.TempDir(), []byte(weighted))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := st.Needs("gateway"), []string{"orders", "orders-next", "users"}; !slices.Equal(got, want) {
		t.Errorf("gateway needs %v, want %v", got, want)
	}
	got, err := st.Graph("text")
	if err != nil {
		t.Fatal(err)
	}
	want := `db           postgres
bus          nats
orders-next  command
users        command
orders       command   -> db (mesh: off), bus
gateway      command   -> orders (weight 90), orders-next (weight 10), users (mesh: off)
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("graph (-want +got):\n%s", diff)
	}
	small, err := st.Select([]string{"gateway"}, "", false)
	if err != nil {
		t.Fatal(err)
	}
	if small.Service("orders-next") == nil {
		t.Error("orders-next is not selected with gateway")
	}
}

// TestDirect: what goes past msctl, as far as the file says.
func TestDirect(t *testing.T) {
	st, err := loadText(t.TempDir(), []byte(weighted))
	if err != nil {
		t.Fatal(err)
	}
	for edge, want := range map[Edge]string{
		{From: "gateway", To: "users"}: "mesh: off", {From: "gateway", To: "orders"}: "",
		{From: "orders", To: "db"}: "mesh: off", {From: "orders", To: "bus"}: "", {From: "db", To: "bus"}: "between backing servers",
	} {
		if got := st.Direct(edge.From, edge.To); got != want {
			t.Errorf("%s is direct because %q, want %q", edge, got, want)
		}
	}
	st.NoMesh = true
	if got := st.Direct("gateway", "orders"); got != "mesh: off in the stack" {
		t.Errorf("got %q", got)
	}
}
