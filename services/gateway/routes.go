package main

import (
	"net/http"
	"strings"

	"msctl.dev/msctl/services/kit"
)

// Route is one row of the gateway's table. What it says is done, and told in the OpenAPI document.
type Route struct {
	Pattern string   // as http.ServeMux takes it; the service is asked for the path behind /v1
	To      string   // service
	Roles   []string // who may; empty is everybody, without a token
	// Own lets the role "user" ask for {id} only where that is themselves.
	Own bool
	// Order lets only those through who may see the order {id}: orders is asked first.
	Order bool
	// Once answers a request that has an Idempotency-Key, or a request_id in its body, only once.
	Once bool
	// Knows is the field of the body by which the service itself knows a second request, so that
	// it may be sent again when it gets no answer.
	Knows string

	// Flag names the service that answers in place of To, for each client: how a path moves away
	// from legacy. Old answers in legacy's name, in the form of To.
	Flag string
	Old  func(g *gateway) http.Handler
	// Canary is a flag: its share of the clients is sent on with X-Canary: true.
	Canary string
	// Else answers where To does not run here, or does not answer.
	Else func(g *gateway) kit.HandlerFunc

	Doc    string // what it does
	Query  string // names of parameters
	In     string // schema of the request's body; "" is none
	Out    string // schema of the answer, or its media type; "" says nothing
	V2     string // schema of the answer under /v2; "": there is only /v1
	Status int    // of the answer; 0 is 200
}

const (
	admin = "admin"
	user  = "user"
)

var (
	admins = []string{admin}
	both   = []string{admin, user}
)

// routes is the table.
var routes = []Route{
	{Pattern: "POST /v1/orders", To: "orders", Roles: both, Once: true, Knows: "id", Canary: "orders-canary",
		In: "NewOrder", Out: "Order", V2: "OrderV2", Status: 201,
		Doc: "Place an order. 202 says that it is still under way, 200 that it was placed before."},
	{Pattern: "GET /v1/orders", To: "orders", Roles: both, Query: "user status after limit",
		Out: "Orders", V2: "OrdersV2", Doc: "List orders; a user sees their own."},
	{Pattern: "GET /v1/orders/{id}", To: "orders", Roles: both, Out: "Order", V2: "OrderV2", Doc: "Read an order."},
	{Pattern: "GET /v1/orders/{id}/events", To: "orders", Roles: both, Out: "Events", V2: "Events",
		Doc: "Read all that happened to an order."},
	{Pattern: "POST /v1/orders/{id}/cancel", To: "orders", Roles: both, Once: true, Out: "Order", V2: "OrderV2",
		Doc: "Cancel an order: what was paid is paid back. 202 says that this is still under way."},
	{Pattern: "GET /v1/orders/{id}/page", To: "bff", Roles: both, Else: (*gateway).page, Out: "Page",
		Doc: "Read an order with its items, customer and stock. Parts that do not come are named in degraded."},

	{Pattern: "GET /v1/items", To: "catalog", Flag: "items-from", Old: (*gateway).legacyItems,
		Query: "ids after limit", Out: "Items", Doc: "Read many items (ids=a,b) or list them."},
	{Pattern: "GET /v1/items/{id}", To: "catalog", Flag: "items-from", Old: (*gateway).legacyItem,
		Out: "Item", Doc: "Read an item."},
	{Pattern: "PUT /v1/items/{id}", To: "catalog", Roles: admins, In: "NewItem", Out: "Item", Doc: "Make or change an item."},
	{Pattern: "GET /v1/stock", To: "inventory", Query: "ids", Out: "Levels", Doc: "Read the stock of items (ids=a,b)."},
	{Pattern: "GET /v1/stock/{id}", To: "inventory", Out: "Stock", Doc: "Read the stock of an item, and when more comes."},
	{Pattern: "GET /v1/coupons/{code}", To: "legacy", Out: "Coupon", Doc: "Read a coupon."},
	{Pattern: "GET /v1/invoices/{id}", To: "legacy", Roles: both, Order: true, Out: "text/plain",
		Doc: "Read the invoice of an order."},

	{Pattern: "POST /v1/users", To: "users", Roles: admins, Once: true, In: "NewUser", Out: "User", Status: 201, Doc: "Make a user."},
	{Pattern: "GET /v1/users", To: "users", Roles: admins, Query: "after limit", Out: "Users", Doc: "List users."},
	{Pattern: "GET /v1/users/{id}", To: "users", Roles: both, Own: true, Out: "User", Doc: "Read a user."},
	{Pattern: "PUT /v1/users/{id}", To: "users", Roles: both, Own: true, In: "Profile", Out: "User", Doc: "Change a user."},

	{Pattern: "GET /v1/templates", To: "templates", Roles: both, Query: "after limit", Doc: "List templates."},
	{Pattern: "GET /v1/templates/{id}", To: "templates", Roles: both, Out: "Template", Doc: "Read a template."},
	{Pattern: "GET /v1/templates/{id}/versions", To: "templates", Roles: both, Doc: "Read all versions of a template."},
	{Pattern: "GET /v1/templates/{id}/versions/{version}", To: "templates", Roles: both, Out: "Template",
		Doc: "Read a version of a template."},
	{Pattern: "PUT /v1/templates/{id}", To: "templates", Roles: admins, In: "NewTemplate", Out: "Template",
		Doc: "Add a version of a template. 201 says that it is the first."},
	{Pattern: "POST /v1/templates/{id}/render", To: "templates", Roles: both, In: "Render", Out: "Text", Doc: "Render a template."},

	{Pattern: "POST /v1/notifications", To: "notifications", Roles: admins, Once: true, Knows: "request_id",
		In: "NewNotification", Out: "Accepted", Status: 202, Doc: "Tell a user something."},
	{Pattern: "GET /v1/notifications", To: "notifications", Roles: admins, Query: "user before limit",
		Out: "Notifications", Doc: "List notifications, newest first."},
	{Pattern: "GET /v1/notifications/{id}", To: "notifications", Roles: both, Out: "Notification",
		Doc: "Read what became of a notification."},

	{Pattern: "GET /v1/failed", To: "notifications", Roles: admins, Query: "after limit", Out: "Failed",
		Doc: "List the messages that their consumers gave up."},
	{Pattern: "POST /v1/failed/requeue", To: "notifications", Roles: admins, Out: "Requeued", Status: 202,
		Doc: "Send all of them again."},
	{Pattern: "POST /v1/failed/{id}/requeue", To: "notifications", Roles: admins, Out: "Requeued", Status: 202,
		Doc: "Send one of them again."},
}

// versions returns the table with a row for each version of a path.
func versions(table []Route) []Route {
	var all []Route
	for _, r := range table {
		all = append(all, r)
		if r.V2 != "" {
			r.Pattern, r.Out = strings.Replace(r.Pattern, " /v1/", " /v2/", 1), r.V2
			all = append(all, r)
		}
	}
	return all
}

// cut takes the version off a path: "/v2/orders" is "2" and "/orders".
func cut(path string) (version, rest string) {
	version, rest, _ = strings.Cut(strings.TrimPrefix(path, "/v"), "/")
	return version, "/" + rest
}
