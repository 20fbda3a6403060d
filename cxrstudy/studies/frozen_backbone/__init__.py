"""Study 06: heads on frozen features against fine-tuned networks."""
