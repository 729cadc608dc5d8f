package ses

import (
	"context"
	"errors"
	"slices"
	"time"

	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// contactList is a list of contacts and the topics that they hear of.
// https://docs.aws.amazon.com/ses/latest/dg/sending-email-list-management.html
type contactList struct {
	Name          string
	Description   *string           `json:",omitempty"`
	Topics        []apiv2.Topic     `json:",omitempty"`
	Tags          map[string]string `json:",omitempty"`
	Made, Changed time.Time
}

// contact is somebody on a list.
type contact struct {
	Address       string
	Data          *string                 `json:",omitempty"`
	Preferences   []apiv2.TopicPreference `json:",omitempty"`
	Out           bool                    `json:",omitempty"` // of all topics
	Made, Changed time.Time
}

// maxTopics is how many topics a list has at most.
const maxTopics = 20

func (s *Service) contactRoutes() []aws.Route {
	return []aws.Route{
		apiv2.CreateContactList.To(second2(s.createList), func(ctx context.Context, in *apiv2.CreateContactListRequest) ([]aws.Access, error) {
			return []aws.Access{{Resource: listARN(ctx, in.ContactListName), Keys: requestTags(in.Tags)}}, nil
		}),
		apiv2.GetContactList.To(second2(s.getContactList), onList(s, func(in *apiv2.GetContactListRequest) *string { return in.ContactListName })),
		apiv2.UpdateContactList.To(second2(s.updateList), onList(s, func(in *apiv2.UpdateContactListRequest) *string { return in.ContactListName })),
		apiv2.DeleteContactList.To(second2(s.deleteList), onList(s, func(in *apiv2.DeleteContactListRequest) *string { return in.ContactListName })),
		apiv2.ListContactLists.To(second2(s.listLists), aws.Anywhere),
		apiv2.CreateContact.To(second2(s.createContact), onList(s, func(in *apiv2.CreateContactRequest) *string { return in.ContactListName })),
		apiv2.GetContact.To(second2(s.getContact), onList(s, func(in *apiv2.GetContactRequest) *string { return in.ContactListName })),
		apiv2.UpdateContact.To(second2(s.updateContact), onList(s, func(in *apiv2.UpdateContactRequest) *string { return in.ContactListName })),
		apiv2.DeleteContact.To(second2(s.deleteContact), onList(s, func(in *apiv2.DeleteContactRequest) *string { return in.ContactListName })),
		apiv2.ListContacts.To(second2(s.listContacts), onList(s, func(in *apiv2.ListContactsRequest) *string { return in.ContactListName })),
	}
}

func listARN(ctx context.Context, name *string) string {
	return aws.RequestOf(ctx).ARN("ses", "contact-list/"+aws.Value(name))
}

func onList[In any](s *Service, name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return s.onResource2(listARN(ctx, name(in)), nil), nil
	}
}

func getList(ctx context.Context, r store.Reader, scope store.Scope, name string) (contactList, error) {
	l, err := lists.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		err = apiv2.NotFoundException("List with name: %s doesn't exist.", name)
	}
	return l, err
}

func checkTopics(topics []apiv2.Topic) error {
	if len(topics) > maxTopics {
		return apiv2.LimitExceededException("A contact list has at most %d topics.", maxTopics)
	}
	for i, t := range topics {
		if slices.ContainsFunc(topics[:i], func(o apiv2.Topic) bool { return *o.TopicName == *t.TopicName }) {
			return apiv2.BadRequestException("Duplicate topic name: %s", *t.TopicName)
		}
	}
	return nil
}

func (s *Service) createList(ctx context.Context, in *apiv2.CreateContactListRequest) (*apiv2.CreateContactListResponse, error) {
	tags, err := tagMap(in.Tags)
	if err == nil {
		err = checkTopics(in.Topics)
	}
	if err != nil {
		return nil, err
	}
	now, name := s.Clock.Now(), *in.ContactListName
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		for e, err := range lists.List(ctx, tx, scopeOf(ctx), store.ListOptions{Limit: 1}) {
			switch {
			case err != nil:
				return err
			case e.Record.Name == name:
				return apiv2.AlreadyExistsException("List with name: %s already exists.", name)
			}
			return apiv2.LimitExceededException("Maximum number of Lists per account is 1.")
		}
		return lists.Put(tx, scopeOf(ctx), contactList{name, in.Description, in.Topics, tags, now, now}, name)
	})
}

func (s *Service) getContactList(ctx context.Context, in *apiv2.GetContactListRequest) (*apiv2.GetContactListResponse, error) {
	out := &apiv2.GetContactListResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		l, err := getList(ctx, r, scopeOf(ctx), *in.ContactListName)
		if err == nil {
			*out = apiv2.GetContactListResponse{ContactListName: &l.Name, Description: l.Description, Topics: append([]apiv2.Topic{}, l.Topics...), Tags: tagList(l.Tags),
				CreatedTimestamp: &l.Made, LastUpdatedTimestamp: &l.Changed}
		}
		return err
	})
}

func (s *Service) updateList(ctx context.Context, in *apiv2.UpdateContactListRequest) (*apiv2.UpdateContactListResponse, error) {
	if err := checkTopics(in.Topics); err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		l, err := getList(ctx, tx, scopeOf(ctx), *in.ContactListName)
		if err != nil {
			return err
		}
		l.Description, l.Topics, l.Changed = in.Description, in.Topics, s.Clock.Now()
		return lists.Put(tx, scopeOf(ctx), l, l.Name)
	})
}

func (s *Service) deleteList(ctx context.Context, in *apiv2.DeleteContactListRequest) (*apiv2.DeleteContactListResponse, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		scope, name := scopeOf(ctx), *in.ContactListName
		if _, err := getList(ctx, tx, scope, name); err != nil {
			return err
		}
		for e, err := range contacts.List(ctx, tx, scope, store.ListOptions{Prefix: []any{name}}) {
			if err != nil {
				return err
			}
			if err := contacts.Delete(tx, scope, e.Key.Parts()...); err != nil {
				return err
			}
		}
		return lists.Delete(tx, scope, name)
	})
}

func (s *Service) listLists(ctx context.Context, in *apiv2.ListContactListsRequest) (*apiv2.ListContactListsResponse, error) {
	o, most, err := pageOf(in.NextToken, in.PageSize, 1000)
	if err != nil {
		return nil, err
	}
	out := &apiv2.ListContactListsResponse{ContactLists: []apiv2.ContactList{}}
	o.Limit = most
	return out, s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range lists.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			out.ContactLists = append(out.ContactLists, apiv2.ContactList{ContactListName: &e.Record.Name, LastUpdatedTimestamp: &e.Record.Changed})
		}
		return nil
	})
}

// checkPreferences holds what somebody wants to hear of against a list's topics.
func (l *contactList) checkPreferences(wanted []apiv2.TopicPreference) error {
	for _, p := range wanted {
		if !slices.ContainsFunc(l.Topics, func(t apiv2.Topic) bool { return *t.TopicName == *p.TopicName }) {
			return apiv2.BadRequestException("Topic %s doesn't exist in the contact list.", *p.TopicName)
		}
	}
	return nil
}

// defaults are the preferences of those who said nothing.
func (l *contactList) defaults() []apiv2.TopicPreference {
	out := []apiv2.TopicPreference{}
	for _, t := range l.Topics {
		out = append(out, apiv2.TopicPreference{TopicName: t.TopicName, SubscriptionStatus: t.DefaultSubscriptionStatus})
	}
	return out
}

// onContact does something with a contact of a list; there is none if c is nil.
func (s *Service) onContact(ctx context.Context, list, address string, f func(tx store.Tx, l *contactList, c *contact) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		l, err := getList(ctx, tx, scopeOf(ctx), list)
		if err != nil {
			return err
		}
		c, err := contacts.Get(ctx, tx, scopeOf(ctx), list, address)
		if errors.Is(err, store.ErrNotFound) {
			return f(tx, &l, nil)
		}
		if err != nil {
			return err
		}
		return f(tx, &l, &c)
	})
}

func noContact(address string) error {
	return apiv2.NotFoundException("Contact with email address: %s doesn't exist.", address)
}

func (s *Service) createContact(ctx context.Context, in *apiv2.CreateContactRequest) (*apiv2.CreateContactResponse, error) {
	if err := checkAddress(*in.EmailAddress); err != nil {
		return nil, err
	}
	return nil, s.onContact(ctx, *in.ContactListName, *in.EmailAddress, func(tx store.Tx, l *contactList, c *contact) error {
		if c != nil {
			return apiv2.AlreadyExistsException("Contact with email address: %s already exists.", *in.EmailAddress)
		}
		if err := l.checkPreferences(in.TopicPreferences); err != nil {
			return err
		}
		now := s.Clock.Now()
		return contacts.Put(tx, scopeOf(ctx), contact{*in.EmailAddress, in.AttributesData, in.TopicPreferences, aws.Value(in.UnsubscribeAll), now, now}, l.Name, *in.EmailAddress)
	})
}

func (s *Service) updateContact(ctx context.Context, in *apiv2.UpdateContactRequest) (*apiv2.UpdateContactResponse, error) {
	return nil, s.onContact(ctx, *in.ContactListName, *in.EmailAddress, func(tx store.Tx, l *contactList, c *contact) error {
		if c == nil {
			return noContact(*in.EmailAddress)
		}
		if err := l.checkPreferences(in.TopicPreferences); err != nil {
			return err
		}
		c.Data, c.Preferences, c.Out, c.Changed = in.AttributesData, in.TopicPreferences, aws.Value(in.UnsubscribeAll), s.Clock.Now()
		return contacts.Put(tx, scopeOf(ctx), *c, l.Name, c.Address)
	})
}

func (s *Service) deleteContact(ctx context.Context, in *apiv2.DeleteContactRequest) (*apiv2.DeleteContactResponse, error) {
	return nil, s.onContact(ctx, *in.ContactListName, *in.EmailAddress, func(tx store.Tx, l *contactList, c *contact) error {
		if c == nil {
			return noContact(*in.EmailAddress)
		}
		return contacts.Delete(tx, scopeOf(ctx), l.Name, c.Address)
	})
}

func (s *Service) getContact(ctx context.Context, in *apiv2.GetContactRequest) (*apiv2.GetContactResponse, error) {
	out := &apiv2.GetContactResponse{}
	return out, s.onContact(ctx, *in.ContactListName, *in.EmailAddress, func(_ store.Tx, l *contactList, c *contact) error {
		if c == nil {
			return noContact(*in.EmailAddress)
		}
		*out = apiv2.GetContactResponse{ContactListName: &l.Name, EmailAddress: &c.Address, AttributesData: c.Data, UnsubscribeAll: &c.Out, CreatedTimestamp: &c.Made, LastUpdatedTimestamp: &c.Changed,
			TopicPreferences: append([]apiv2.TopicPreference{}, c.Preferences...), TopicDefaultPreferences: l.defaults()}
		return nil
	})
}

// status is whether a contact hears of a topic, or of anything if topic is empty.
func (c *contact) status(l *contactList, topic string, orDefault bool) string {
	if c.Out {
		return apiv2.SubscriptionStatusOptOut
	}
	if topic == "" {
		return apiv2.SubscriptionStatusOptIn
	}
	all := c.Preferences
	if orDefault {
		all = slices.Concat(all, l.defaults())
	}
	for _, p := range all {
		if *p.TopicName == topic {
			return *p.SubscriptionStatus
		}
	}
	return ""
}

func (s *Service) listContacts(ctx context.Context, in *apiv2.ListContactsRequest) (*apiv2.ListContactsResponse, error) {
	o, most, err := pageOf(in.NextToken, in.PageSize, 1000)
	if err != nil {
		return nil, err
	}
	name := *in.ContactListName
	if o.Prefix = []any{name}; o.After != nil {
		o.After = []any{name, o.After[0]}
	}
	wanted := func(l *contactList, c *contact) bool {
		f := in.Filter
		if f == nil || f.FilteredStatus == nil {
			return true
		}
		topic, orDefault := "", false
		if f.TopicFilter != nil {
			topic, orDefault = aws.Value(f.TopicFilter.TopicName), aws.Value(f.TopicFilter.UseDefaultIfPreferenceUnavailable)
		}
		return c.status(l, topic, orDefault) == *f.FilteredStatus
	}
	out := &apiv2.ListContactsResponse{Contacts: []apiv2.Contact{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		l, err := getList(ctx, r, scopeOf(ctx), name)
		if err != nil {
			return err
		}
		for e, err := range contacts.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			c := e.Record
			if !wanted(&l, &c) {
				continue
			}
			if n := len(out.Contacts); n == most {
				out.NextToken = new(aws.Token(*out.Contacts[n-1].EmailAddress))
				return nil
			}
			out.Contacts = append(out.Contacts, apiv2.Contact{EmailAddress: &c.Address, UnsubscribeAll: &c.Out, LastUpdatedTimestamp: &c.Changed,
				TopicPreferences: append([]apiv2.TopicPreference{}, c.Preferences...), TopicDefaultPreferences: l.defaults()})
		}
		return nil
	})
}
