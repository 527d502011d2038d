package chaos

// Kinds is every kind of fault, in the order in which help shows them.
var Kinds = []Kind{
	latency,
	refuse,
}
