package main

import "encoding/json"

// model is a service-2.json, as far as the generator reads it.
type model struct {
	Metadata struct {
		APIVersion          string
		EndpointPrefix      string
		GlobalEndpoint      string
		JSONVersion         string
		Protocol            string
		Protocols           []string
		ServiceID           string `json:"serviceId"`
		SigningName         string
		TargetPrefix        string
		XMLNamespace        string    `json:"xmlNamespace"`
		AWSQueryCompatible  *struct{} `json:"awsQueryCompatible"`
		ServiceAbbreviation string
	}
	Operations map[string]*operation
	Shapes     map[string]*shape
}

type operation struct {
	Name string
	HTTP struct {
		Method       string
		RequestURI   string `json:"requestUri"`
		ResponseCode int
	}
	Input, Output *ref
	AuthType      string
	ReadOnly      bool
	HTTPChecksum  *struct {
		RequestChecksumRequired bool
	}
	HTTPChecksumRequired bool
}

// ref is a use of a shape: a member, a list's element, an operation's input.
type ref struct {
	Shape           string
	Location        string
	LocationName    string
	Flattened       bool
	Streaming       bool
	XMLAttribute    bool
	XMLNamespace    *namespace `json:"xmlNamespace"`
	TimestampFormat string
	QueryName       string
	JSONValue       bool `json:"jsonvalue"`
	Token           bool `json:"idempotencyToken"`
	HostLabel       bool
	EventPayload    bool
	EventHeader     bool
	ResultWrapper   string
}

type namespace struct {
	URI    string
	Prefix string
}

type shape struct {
	Type            string
	Members         map[string]*ref
	MemberOrder     []string `json:"-"`
	Required        []string
	Member          *ref
	Key, Value      *ref
	Flattened       bool
	Sparse          bool
	Sensitive       bool
	Streaming       bool
	Wrapper         bool
	Union           bool
	Document        bool
	Exception       bool
	Fault           bool
	EventStream     bool
	Event           bool
	Payload         string
	LocationName    string
	TimestampFormat string
	XMLNamespace    *namespace `json:"xmlNamespace"`
	Enum            []string
	Pattern         string
	Min, Max        *float64
	Error           *struct {
		Code           string
		HTTPStatusCode int `json:"httpStatusCode"`
		SenderFault    bool
	}
}

// patch is what patches.json says of a service beside its model.
type patch struct {
	Model     string            `json:"model,omitempty"`     // model folder, if not the package's name
	Invalid   string            `json:"invalid"`             // code for broken constraints
	Malformed string            `json:"malformed"`           // code for bodies that do not parse
	Codes     map[string]string `json:"codes,omitempty"`     // front door errors that this service renames
	Protocols []string          `json:"protocols,omitempty"` // further protocols that clients use
	Actions   map[string]string `json:"actions,omitempty"`   // IAM actions that differ from the operation
	Global    bool              `json:"global,omitempty"`
	MaxBody   int64             `json:"maxBody,omitempty"` // bytes; 2 MiB if not given
	CRC32     bool              `json:"crc32,omitempty"`
	// Types maps shapes to types written by hand beside the generated files.
	Types map[string]string `json:"types,omitempty"`
	// Patterns replaces patterns that Go's regexp cannot express.
	Patterns map[string]string `json:"patterns,omitempty"`
	// Enums adds values that AWS takes and its model does not have, by shape.
	Enums map[string][]string `json:"enums,omitempty"`
	// Unchecked are shapes whose values the service knows better than its model does.
	Unchecked []string `json:"unchecked,omitempty"`
	// Missing are the codes for an input without a required member, in JSON and in queries.
	Missing []string `json:"missing,omitempty"`
	// Errors adds errors that AWS sends and does not model: code to HTTP status.
	Errors map[string]int `json:"errors,omitempty"`
	// Without are operations that others have taken the place of, at the same address.
	Without []string `json:"without,omitempty"`
	// Also are further addresses of operations, "POST /v2/email/list-identities": those of
	// other ages' models. The body may have what the first address has in the query.
	Also map[string][]string `json:"also,omitempty"`
	// Shapes are those that newer models have, in the model's form, and what they have
	// added to older shapes.
	Shapes map[string]json.RawMessage `json:"shapes,omitempty"`
	// Roots are the root elements of answers, by operation, that the model has forgotten.
	Roots map[string]string `json:"roots,omitempty"`
	// Unwrapped are the operations whose answer's only member is the root element itself.
	Unwrapped []string `json:"unwrapped,omitempty"`
	// QueryCodes are the codes by which query clients know errors, where the model has
	// forgotten that the service once spoke query.
	QueryCodes map[string]string `json:"queryCodes,omitempty"`
	// QueryNames are, for the same services, how lists and maps are called in forms and
	// XML, by shape: the name, and of maps those of keys and values. They lie flat.
	QueryNames   map[string][]string `json:"queryNames,omitempty"`
	XMLNamespace string              `json:"xmlNamespace,omitempty"` // where the model has none
	// Hosts are further first labels of the service's host names.
	Hosts []string `json:"hosts,omitempty"`
	// Unsigned says that whoever signs nothing may call, where a resource's policy lets
	// everybody.
	Unsigned bool `json:"unsigned,omitempty"`
	// QuotesResources says that refusals put the resource into quotes.
	QuotesResources bool   `json:"quotesResources,omitempty"`
	BareErrors      bool   `json:"bareErrors,omitempty"` // XML errors are <Error> alone
	URLMember       string `json:"urlMember,omitempty"`  // member that a query's own address fills
}
