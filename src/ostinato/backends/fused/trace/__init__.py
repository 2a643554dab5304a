"""What a step does: its operations as they are recorded, and what they depend on."""
