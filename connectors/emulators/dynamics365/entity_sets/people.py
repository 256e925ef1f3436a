"""Customers, parties, contact persons and their addresses (dynamics365.md 4.1, 4.2)."""

from connectors.emulators.dynamics365.schema import entity

CUSTOMERS = entity(
    "CustomersV3",
    "CustomerV3",
    "dataAreaId CustomerAccount",
    {
        # LoyaltyTier and BirthDate are no standard properties: this tenant's extension.
        "string": "dataAreaId CustomerAccount PartyNumber PartyType OrganizationName NameAlias KnownAs PersonFirstName "
        "PersonMiddleName PersonLastName LanguageId CustomerGroupId SalesCurrencyCode PrimaryContactEmail "
        "PrimaryContactEmailDescription PrimaryContactEmailPurpose PrimaryContactPhone ReceiptEmail AddressStreet "
        "AddressCity AddressZipCode AddressState AddressCountryRegionId AddressCountryRegionISOCode "
        "DeliveryAddressStreet DeliveryAddressCity DeliveryAddressZipCode DeliveryAddressCountryRegionId "
        "InvoiceAddressStreet InvoiceAddressCity InvoiceAddressZipCode InvoiceAddressCountryRegionId LoyaltyTier",
        "date": "BirthDate",
        "NoYes": "IsOneTimeCustomer IsExternallyMaintained PrimaryContactPhoneIsMobile PrimaryContactEmailIsIM",
        "Gender": "PersonGender",
        "CustVendorBlocked": "OnHoldStatus",
    },
    writable=True,
)
PARTIES = entity(
    "CDSParties",
    "CDSParty",
    "PartyNumber",
    {
        "string": "PartyNumber PartyType PartyName NameAlias KnownAs PersonFirstName PersonMiddleName PersonLastName "
        "LanguageId",
        "int": "PersonBirthDay PersonBirthYear",
        "MonthsOfYear": "PersonBirthMonth",
        "Gender": "PersonGender",
    },
    writable=True,
)
_CONTACT = {
    "string": "dataAreaId ContactPersonId ContactPersonPartyNumber AssociatedPartyNumber PrimaryEmailAddress "
    "PrimaryPhoneNumber FirstName MiddleName LastName ContactPersonName LanguageId",
    "NoYes": "IsInactive IsReceivingDirectMail",
}
CONTACTS = entity(
    "ContactsV2",
    "ContactV2",
    "dataAreaId ContactPersonId",
    # The one timestamp among the entities a marketing integration reads (2.8).
    {**_CONTACT, "moment": "LastEditDateTime"},
    ("dataAreaId ContactPersonId", "dataAreaId LastEditDateTime ContactPersonId"),
    writable=True,
)
CONTACT_PERSONS = entity("ContactPersons", "ContactPerson", "dataAreaId ContactPersonId", _CONTACT)
ELECTRONIC_ADDRESSES = entity(
    "CustomerElectronicAddresses",
    "CustomerElectronicAddress",
    "dataAreaId ElectronicAddressId CustomerAccount",
    {
        "string": "dataAreaId ElectronicAddressId CustomerAccount Locator Purpose Description CountryRegionCode",
        "LogisticsElectronicAddressMethodType": "Type",
        "NoYes": "IsPrimary IsPrivate IsInstantMessage IsMobilePhone",
    },
    ("dataAreaId ElectronicAddressId CustomerAccount", "dataAreaId CustomerAccount ElectronicAddressId"),
    writable=True,
)
POSTAL_ADDRESSES = entity(
    "CustomerPostalAddressesV2",
    "CustomerPostalAddressV2",
    "dataAreaId CustomerAccount AddressLocationId",
    {
        "string": "dataAreaId CustomerAccount AddressLocationId AddressDescription AddressLocationRoles AddressStreet "
        "AddressCity AddressZipCode AddressState AddressCountryRegionId AddressCountryRegionISOCode",
        "NoYes": "IsPrimary IsPrivate IsRoleDelivery IsRoleInvoice",
        "moment": "Effective",
    },
    writable=True,
)
PEOPLE = (CUSTOMERS, PARTIES, CONTACTS, CONTACT_PERSONS, ELECTRONIC_ADDRESSES, POSTAL_ADDRESSES)
