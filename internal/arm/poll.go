package arm

// Poll says where the caller of a long-running operation looks for its status
// and its result. Templates hold the parameters of the path of the type that
// Record.Resource belongs to, {location} and {operation}, for example
// "/subscriptions/{subscription}/providers/Microsoft.Web/locations/{location}/operationStatus/{operation}".
// Every Poll that handlers use must stand in Config.Polls, which makes the
// addresses answer.
type Poll struct {
	// Status goes out as Azure-AsyncOperation; "" sends none.
	Status string
	// Result goes out as Location; "" sends none.
	Result string
}
